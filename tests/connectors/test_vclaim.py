"""The VClaim client against the simulated BPJS: what it returns, what it raises, what it shows of an exchange."""

import asyncio
import json
import logging
import time
from pathlib import Path

import httpx
import pytest

from gateway.connectors.errors import (
    DestinationError,
    Duplicate,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    Refused,
    Throttled,
    Unavailable,
)
from gateway.connectors.outcomes import Answer
from gateway.connectors.satusehat import Satusehat
from gateway.connectors.vclaim import VClaim, is_answer_to
from gateway.connectors.vclaim.client import outcome_table
from gateway.connectors.vclaim.crypto import is_encrypted
from gateway.connectors.wire import Exchange
from gateway.sandbox import Fault, Sandbox
from gateway.sandbox.seed import today
from tests.connectors.fixtures import Script
from tests.connectors.visits import day, emergency, sep

SRI, SRI_NIK = "0001137150385", "1371015203850001"


async def test_a_member_is_found_by_card_and_by_nik(vclaim: VClaim) -> None:
    member = await vclaim.peserta(SRI, today())
    assert (member["nama"], member["nik"], member["hakKelas"]["kode"]) == ("SRI WAHYUNI", SRI_NIK, "2")
    assert await vclaim.peserta_by_nik(SRI_NIK, today()) == member


async def test_a_member_who_is_not_active_is_still_shown(vclaim: VClaim) -> None:
    member = await vclaim.peserta("0001137121283", today())
    assert member["statusPeserta"] == {"kode": "1", "keterangan": "NON AKTIF KARENA PREMI"}


async def test_an_unknown_card_is_not_found(vclaim: VClaim) -> None:
    with pytest.raises(NotFound, match="Data tidak ditemukan") as caught:
        await vclaim.peserta("0009999999999", today())
    assert caught.value.code == "201"


async def test_referrals_by_number_and_card_of_both_levels(vclaim: VClaim) -> None:
    referral = await vclaim.rujukan("030107011126P000001")
    assert (referral["tglKunjungan"], referral["provPerujuk"]["kode"]) == (day(-5), "03010701")
    assert await vclaim.rujukan_by_card(SRI) == referral
    assert await vclaim.rujukan_list(SRI) == [referral]
    hospital = await vclaim.rujukan("0301R0121126B000003", rs=True)
    assert hospital["poliRujukan"]["kode"] == "HDL"
    assert await vclaim.rujukan_by_card("0001137150970", rs=True) == hospital
    assert await vclaim.rujukan_list("0001137150970", rs=True) == [hospital]


async def test_a_hospitals_referral_is_not_found_among_the_first_levels(vclaim: VClaim) -> None:
    with pytest.raises(NotFound, match="Data Rujukan Tidak Ditemukan"):
        await vclaim.rujukan("0301R0121126B000003")


async def test_an_expired_referral_is_refused_with_202(vclaim: VClaim) -> None:
    with pytest.raises(Refused) as caught:
        await vclaim.rujukan("030107020826P000005")
    assert (caught.value.code, "rujukan baru" in caught.value.fix["id"]) == ("202", True)


async def test_a_sep_is_issued_read_changed_and_withdrawn(vclaim: VClaim, sandbox: Sandbox) -> None:
    issued = await vclaim.sep_insert(sep())
    number = issued["noSep"]
    assert number == f"0301R011{today():%m%y}V000001"
    detail = await vclaim.sep(number)
    assert (detail["peserta"]["noKartu"], detail["dpjp"]["kdDPJP"]) == (SRI, "31574")
    assert await vclaim.last_sep("030107011126P000001") == detail
    update = {"request": {"t_sep": {"noSep": number, "catatan": "alergi penisilin", "user": "Loket 1"}}}
    assert await vclaim.sep_update(update) == number
    assert (await vclaim.sep(number))["catatan"] == "alergi penisilin"
    assert await vclaim.sep_delete(number, "Loket 1") == number
    assert number not in sandbox.state.books.seps
    with pytest.raises(NotFound):
        await vclaim.sep(number)


async def test_a_patient_is_referred_onward(vclaim: VClaim) -> None:
    issued = await vclaim.sep_insert(sep())
    t_rujukan = {
        "noSep": issued["noSep"],
        "tglRujukan": day(),
        "tglRencanaKunjungan": day(3),
        "ppkDirujuk": "0301R013",
        "jnsPelayanan": "2",
        "catatan": "",
        "diagRujukan": "E11.9",
        "tipeRujukan": "0",
        "poliRujukan": "INT",
        "user": "Loket 1",
    }
    referral = await vclaim.rujukan_insert({"request": {"t_rujukan": t_rujukan}})
    assert referral["noRujukan"] == f"0301R011{today():%m%y}B000001"
    assert referral["tglBerlakuKunjungan"] == day(90)
    (row,) = (await vclaim.call("GET", f"/Rujukan/Keluar/List/tglMulai/{day()}/tglAkhir/{day()}"))["list"]
    assert (row["noRujukan"], row["noSep"]) == (referral["noRujukan"], issued["noSep"])
    detail = await vclaim.call("GET", f"/Rujukan/Keluar/{row['noRujukan']}")
    assert detail["rujukan"]["namaTipeRujukan"] == "Rujukan Penuh"
    with pytest.raises(Refused, match="sudah ada"):
        await vclaim.rujukan_insert({"request": {"t_rujukan": t_rujukan}})


async def test_a_second_sep_names_the_first(vclaim: VClaim) -> None:
    first = await vclaim.sep_insert(sep())
    with pytest.raises(Duplicate) as caught:
        await vclaim.sep_insert(sep())
    assert caught.value.existing == first["noSep"]
    assert is_answer_to(await vclaim.sep(first["noSep"]), sep())


async def test_anothers_sep_is_not_the_answer_to_this_request(vclaim: VClaim) -> None:
    first = await vclaim.sep_insert(sep())
    detail = await vclaim.sep(first["noSep"])
    assert not is_answer_to(detail, sep(tglSep=day(-1)))
    assert not is_answer_to(detail, sep(jnsPelayanan="1"))
    assert not is_answer_to(detail, sep(ppkPelayanan="0301R012"))
    assert not is_answer_to(detail, emergency())


async def test_a_stay_elsewhere_names_the_sep_that_stands_in_the_way(vclaim: VClaim) -> None:
    body = sep(noKartu="0001137010190", klsRawat__klsRawatHak="3")
    with pytest.raises(Duplicate, match="belum dipulangkan di RS CONTOH KEDUA") as caught:
        await vclaim.sep_insert(body)
    assert caught.value.existing == "0301R0121126V000902"


async def test_a_refusal_names_code_text_element_and_what_to_do(vclaim: VClaim) -> None:
    with pytest.raises(Refused) as caught:
        await vclaim.sep_insert(sep(rujukan__tglRujukan=day()))
    error = caught.value
    assert (error.code, error.text) == ("201", "Tanggal rujukan tidak sesuai")
    assert error.element == "t_sep.rujukan.tglRujukan"
    assert set(error.fix) == {"id", "en"}


@pytest.mark.parametrize("field", ["consumer_id", "consumer_secret", "user_key"])
async def test_wrong_credentials_stop_everything(sandbox: Sandbox, field: str) -> None:
    account = sandbox.vclaim_account()
    wrong = type(account).model_validate(account.model_dump() | {field: "wrong"})
    client = VClaim(wrong)
    with pytest.raises(Misconfigured, match="Unauthorized"):
        await client.peserta(SRI, today())
    await client.close()


async def test_a_clock_that_is_off_stops_everything(sandbox: Sandbox) -> None:
    client = VClaim(sandbox.vclaim_account(), clock=lambda: time.time() - 3600)
    with pytest.raises(Misconfigured, match="timestamp"):
        await client.peserta(SRI, today())
    await client.close()


async def test_a_wrong_base_url_stops_everything(sandbox: Sandbox) -> None:
    account = sandbox.vclaim_account().model_copy(update={"base_url": f"{sandbox.vclaim_url}/v9"})
    client = VClaim(account)
    for change in (client.peserta(SRI, today()), client.sep_insert(sep())):
        with pytest.raises(Misconfigured, match="404"):
            await change
    await client.close()


async def test_the_reply_is_encrypted_on_the_wire_and_clear_in_the_evidence(
    vclaim: VClaim, evidence: list[Exchange], script: Script
) -> None:
    await vclaim.peserta(SRI, today())
    (shown,) = evidence
    assert json.loads(shown.reply or b"")["response"]["peserta"]["noKartu"] == SRI
    headers = vclaim._headers(str(int(time.time())), "application/json")
    async with httpx.AsyncClient() as http:
        raw = (await http.get(shown.url, headers=headers)).json()
    assert is_encrypted(raw["response"])


async def test_evidence_tells_everything_but_the_credentials(vclaim: VClaim, evidence: list[Exchange]) -> None:
    await vclaim.sep_insert(sep())
    (shown,) = evidence
    assert (shown.system, shown.method, shown.status) == ("vclaim", "POST", 200)
    assert shown.url.endswith("/vclaim-rest/SEP/2.0/insert")
    assert json.loads(shown.body or b"") == sep()
    assert shown.headers["x-timestamp"].isdigit()
    assert shown.headers["content-type"] == "application/x-www-form-urlencoded"
    assert shown.started <= shown.ended
    for name in ("x-cons-id", "x-signature", "user_key"):
        assert shown.headers[name] == "***"
    assert "sandbox-vclaim" not in repr(shown)


async def test_logs_hold_neither_secrets_nor_persons(
    vclaim: VClaim, satusehat: Satusehat, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await vclaim.peserta(SRI, today())
        await satusehat.find_patient(SRI_NIK)
        with pytest.raises(NotFound):
            await vclaim.peserta_by_nik("9999999999999999", today())
    # The simulated server runs in this process too; what it would log is its own affair.
    logged = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn"))
    assert "vclaim GET: 200" in logged
    for secret in (
        SRI,
        SRI_NIK,
        "9999999999999999",
        "SRI WAHYUNI",
        "sandbox-vclaim-secret",
        "sandbox-satusehat-secret",
    ):
        assert secret not in logged


async def test_evidence_goes_to_whoever_looks(vclaim: VClaim, evidence: list[Exchange]) -> None:
    other: list[Exchange] = []
    await asyncio.gather(vclaim.observing(other.append).peserta(SRI, today()), vclaim.rujukan_list(SRI))
    assert [("Peserta" in e.url) for e in other] == [True]
    assert [("Rujukan" in e.url) for e in evidence] == [True]


async def test_a_refused_exchange_leaves_evidence_too(vclaim: VClaim, evidence: list[Exchange]) -> None:
    with pytest.raises(Refused):
        await vclaim.sep_insert(sep(diagAwal=""))
    assert json.loads(evidence[0].reply or b"")["metaData"]["message"] == "Diagnosa Awal Tidak Boleh Kosong"


async def test_one_connection_is_kept_for_many_requests(sandbox: Sandbox, vclaim: VClaim) -> None:
    before = sandbox.connections.opened
    for _ in range(5):
        await vclaim.peserta(SRI, today())
    assert sandbox.connections.opened - before == 1


LOST = [
    Fault(kind="drop", committed=True),
    Fault(kind="drop"),
    Fault(kind="stall", committed=True, seconds=1.0),
    Fault(kind="html", committed=True, status=500),
    Fault(kind="status", committed=True, status=504),
    Fault(kind="status", status=502),
]


@pytest.mark.parametrize("fault", LOST, ids=lambda f: f"{f.kind}-{f.committed}")
async def test_a_lost_answer_to_a_change_is_unknown_and_to_a_read_unavailable(sandbox: Sandbox, fault: Fault) -> None:
    seen: list[Exchange] = []
    client = VClaim(sandbox.vclaim_account(timeout_s=0.4), seen.append)
    for call, expected in ((client.sep_insert(sep()), OutcomeUnknown), (client.peserta(SRI, today()), Unavailable)):
        sandbox.fail(Fault(kind=fault.kind, committed=fault.committed, seconds=fault.seconds, status=fault.status))
        with pytest.raises(DestinationError) as caught:
            await call
        assert type(caught.value) is expected
    issued = [number for number in sandbox.state.books.seps if number.endswith("V000001")]
    assert bool(issued) is fault.committed
    assert len(seen) == 2
    await client.close()


async def test_a_lost_answer_is_found_again_by_asking_once_more(sandbox: Sandbox, vclaim: VClaim) -> None:
    sandbox.fail(Fault(kind="drop", committed=True, path="insert"))
    with pytest.raises(OutcomeUnknown):
        await vclaim.sep_insert(sep())
    with pytest.raises(Duplicate) as caught:
        await vclaim.sep_insert(sep())
    assert is_answer_to(await vclaim.sep(str(caught.value.existing)), sep())


async def test_where_nobody_listens_nothing_was_done(sandbox: Sandbox) -> None:
    account = sandbox.vclaim_account().model_copy(update={"base_url": "http://127.0.0.1:9/vclaim-rest"})
    seen: list[Exchange] = []
    client = VClaim(account, seen.append)
    with pytest.raises(DestinationError) as caught:
        await client.sep_insert(sep())
    assert type(caught.value) is Unavailable
    assert (seen[0].status, seen[0].reply) == (None, None)
    assert seen[0].failure
    await client.close()


@pytest.mark.parametrize(("told", "wait"), [(7, 7.0), (None, None)])
async def test_too_many_requests(sandbox: Sandbox, vclaim: VClaim, told: int | None, wait: float | None) -> None:
    sandbox.fail(Fault(kind="throttle", retry_after=told))
    with pytest.raises(Throttled) as caught:
        await vclaim.sep_insert(sep())
    assert caught.value.retry_after == wait


ENVELOPES = [
    '{"metaData": {"code": "200", "message": "Sukses"}, "response": "V5RkPoCsAQAOoEPaDF3zVir5O7AC8aDs4Nj91FxI+0Q="}',
    '{"metadata": {"code": 200, "message": "Ok"}, "response": "0301R0011117V000008"}',
    '{"metaData": {"code": "200"}, "response": "0301R0011117V000008", "requestId": "x"}',
]


@pytest.mark.parametrize("body", ENVELOPES)
async def test_every_envelope_is_read(script: Script, body: str) -> None:
    script.says(body)
    client = script.vclaim()
    assert await client.sep_delete("0301R0011117V000008", "Loket 1") == "0301R0011117V000008"
    (asked,) = script.asked
    assert (asked.method, await asked.json()) == (
        "DELETE",
        {"request": {"t_sep": {"noSep": "0301R0011117V000008", "user": "Loket 1"}}},
    )
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["x-timestamp"] == "433223232"
    assert asked.headers["x-signature"] == "eXMtvX2r7e7CLCIu3kpEpCrvciZgK8FuOhKv06NDAHk="
    assert asked.headers["user_key"] == "key"
    await client.close()


async def test_a_null_response_is_none(script: Script) -> None:
    script.says('{"metaData": {"code": "200", "message": "OK"}, "response": null}')
    client = script.vclaim()
    assert await client.call("PUT", "/SEP/2.0/updtglplg", {"request": {}}) is None
    await client.close()


UNTRUSTWORTHY = [
    '{"metaData": {"code": "200", "message": "OK"}, "response": null}',
    '{"metaData": {"code": "200", "message": "OK"}, "response": "AAAAAAAAAAAAAAAAAAAAAA=="}',
    '{"metaData": {"code": "500", "message": "Timeout"}, "response": null}',
    '{"message": "Endpoint request timed out"}',
    "<html><head><title>Request Error</title></head></html>",
    "[]",
    "",
]


@pytest.mark.parametrize("body", UNTRUSTWORTHY)
async def test_a_success_that_cannot_be_read_is_unknown(script: Script, body: str) -> None:
    script.says(body)
    script.says(body)
    client = script.vclaim()
    with pytest.raises(OutcomeUnknown):
        await client.sep_insert(sep())
    with pytest.raises(DestinationError) as caught:
        await client.peserta(SRI, today())
    assert type(caught.value) is Unavailable
    await client.close()


OBSERVED = {
    "peserta sudah dilayani rawat jalan hari yang sama": Duplicate,
    "rawat inap belum dipulangkan": Duplicate,
    "rujukan tidak ada": NotFound,
    "data kosong": NotFound,
}


def test_every_refusal_seen_in_the_wild_has_its_class(shared: Path) -> None:
    cases = json.loads((shared / "samples/bpjs/vclaim_errors__observed.json").read_text("utf-8"))["cases"]
    assert len(cases) >= 19
    for case in cases:
        meta = case["body"]["metaData"]
        error = outcome_table().error(Answer(meta["message"], changes=True, status=200, code=meta["code"]))
        assert type(error) is OBSERVED.get(case["case"], Refused), case["case"]
        if isinstance(error, Duplicate):
            assert meta["message"].endswith(str(error.existing))
        elif type(error) is Refused:
            assert error.element, case["case"]
            assert error.fix, case["case"]
