"""The simulated BPJS refuses a SEP for each reason in its table, and issues one for each kind of visit."""

from typing import Any

import pytest

from gateway.connectors.errors import Refused
from gateway.connectors.vclaim import VClaim
from gateway.sandbox import Sandbox
from gateway.sandbox.seed import load
from gateway.sandbox.vclaim.books import Books
from gateway.sandbox.vclaim.facts import facts
from gateway.sandbox.vclaim.judge import broken, rows
from tests.connectors.visits import after_stay, control, day, emergency, haemodialysis, inpatient, sep

Body = dict[str, Any]


def accepted() -> dict[str, Body]:
    """What BPJS accepts. Made when it is asked for: a run may go over midnight in Jakarta."""
    return {
        "referral": sep(),
        "emergency": emergency(),
        "inpatient": inpatient(),
        "haemodialysis": haemodialysis(),
        "control": control(),
        "control on its letter": control(
            tujuanKunj="0",
            assesmentPel="",
            rujukan={
                "asalRujukan": "2",
                "tglRujukan": day(),
                "noRujukan": "0301R0111126K000002",
                "ppkRujukan": "0301R011",
            },
        ),
        "post-inpatient": after_stay(),
        "another clinic than the referral's": sep(poli__tujuan="JAN", dpjpLayan="31586", assesmentPel="4"),
    }


LETTER_UNKNOWN = "No.Surat Kontrol Tidak Ditemukan"
DPJP = "Dokter DPJP Tidak Ada"


def refused() -> list[tuple[str, Body]]:
    """The beginning of each refusal, and what earns it; made when it is asked for."""
    return [
        ("Nomor Kartu Peserta Tidak Ditemukan", sep(noKartu="0009999999999")),
        ("Status Peserta NON AKTIF", sep(noKartu="0001137121283")),
        ("Format Tanggal SEP", sep(tglSep="21-11-2026")),
        ("Tanggal SEP Tidak Boleh", sep(tglSep=day(1))),
        ("Kode PPK Pelayanan", sep(ppkPelayanan="0301R012")),
        ("Jenis Pelayanan", sep(jnsPelayanan="3")),
        ("Kelas Rawat Hak", sep(klsRawat__klsRawatHak="1")),
        ("No.MR", sep(noMR="")),
        ("Diagnosa Awal Tidak Boleh Kosong", sep(diagAwal="")),
        ("Diagnosa Awal Tidak Ditemukan", sep(diagAwal="E119")),
        ("No.Telepon Diisi Dengan Benar", sep(noTelp="0812-0000-1111")),
        ("No.Telepon Diisi Dengan Benar", sep(noTelp="081234567890123")),
        ("3.1.Peserta NoKa 0001137010190", sep(noKartu="0001137010190", klsRawat__klsRawatHak="3")),
        ("Poli Tujuan Tidak Ditemukan", sep(poli__tujuan="")),
        ("Poli Tujuan Tidak Ditemukan", sep(poli__tujuan="XYZ")),
        ("Poli Tujuan Harus Kosong", inpatient(poli__tujuan="INT")),
        ("No.Rujukan Harus Diisi No.SEP Pasca", after_stay(rujukan__noRujukan="")),
        ("Asal rujukan Harus Diisi 2", after_stay(rujukan__asalRujukan="1")),
        ("Kode PPK.Rujukan Tidak Sesuai", after_stay(rujukan__ppkRujukan="03010701")),
        ("No.Rujukan harus diisi", sep(rujukan__noRujukan="")),
        ("Data Rujukan Tidak Ditemukan", sep(rujukan__noRujukan="030107011126P999999")),
        ("No.Rujukan harus diisi", control(rujukan__noRujukan="030107011126P999999")),
        ("Data Rujukan Tidak Ditemukan", sep(rujukan__noRujukan="030107021126P000002")),
        ("Tanggal rujukan tidak sesuai", sep(rujukan__tglRujukan=day())),
        ("Kode PPK.Rujukan Tidak Sesuai", sep(rujukan__ppkRujukan="03010702")),
        ("Asal Rujukan Tidak Sesuai", sep(rujukan__asalRujukan="2")),
        (
            "Masa Berlaku Rujukan Sudah Habis",
            sep(
                noKartu="0001137170801",
                klsRawat__klsRawatHak="3",
                poli__tujuan="BED",
                dpjpLayan="31592",
                rujukan={
                    "asalRujukan": "1",
                    "tglRujukan": day(-110),
                    "noRujukan": "030107020826P000005",
                    "ppkRujukan": "03010702",
                },
            ),
        ),
        ("Asal Rujukan Tidak Sesuai", emergency(rujukan__asalRujukan="1")),
        ("tujuanKunj tidak sesuai", sep(tujuanKunj="2", assesmentPel="5")),
        ("tujuanKunj tidak sesuai", haemodialysis(tujuanKunj="0")),
        ("tujuanKunj tidak sesuai", control(tujuanKunj="7")),
        ("flagProcedure tidak sesuai", sep(flagProcedure="0")),
        ("flagProcedure tidak sesuai", control(tujuanKunj="1", flagProcedure="")),
        ("flagProcedure tidak sesuai", haemodialysis(flagProcedure="0")),
        ("kdPenunjang tidak sesuai", sep(kdPenunjang="7")),
        ("kdPenunjang tidak sesuai", control(tujuanKunj="1", flagProcedure="0", kdPenunjang="13")),
        ("kdPenunjang tidak sesuai", haemodialysis(kdPenunjang="7")),
        ("assesmentPel tidak sesuai", control(assesmentPel="")),
        ("assesmentPel tidak sesuai", sep(assesmentPel="5")),
        ("assesmentPel tidak sesuai", sep(poli__tujuan="JAN", dpjpLayan="31586", assesmentPel="9")),
        (LETTER_UNKNOWN, inpatient(skdp__noSurat="")),
        (LETTER_UNKNOWN, control(skdp__noSurat="0301R0111126K000001")),
        (LETTER_UNKNOWN, inpatient(jnsPelayanan="2", poli__tujuan="INT", dpjpLayan="31574")),
        (LETTER_UNKNOWN, control(skdp={"noSurat": "0301R0111126K999999", "kodeDPJP": "31586"})),
        ("No.SPRI Tidak Ditemukan", inpatient(noKartu="0001137180278", skdp__noSurat="0301R0111126K000002")),
        (DPJP, control(skdp__kodeDPJP="31574")),
        ("dpjpLayan Tidak Sesuai", emergency(dpjpLayan="31605")),
        ("dpjpLayan Tidak Sesuai", sep(dpjpLayan="")),
        (DPJP, sep(dpjpLayan="99999")),
        (DPJP, sep(dpjpLayan="31611")),
    ]


@pytest.mark.parametrize("kind", accepted())
async def test_a_visit_of_each_kind_gets_its_sep(vclaim: VClaim, kind: str) -> None:
    body = accepted()[kind]
    issued = await vclaim.sep_insert(body)
    assert issued["peserta"]["noKartu"] == body["request"]["t_sep"]["noKartu"]


@pytest.mark.parametrize("number", range(len(refused())), ids=[text for text, _ in refused()])
async def test_each_mistake_gets_its_refusal(vclaim: VClaim, sandbox: Sandbox, number: int) -> None:
    text, body = refused()[number]
    before = dict(sandbox.state.books.seps)
    with pytest.raises(Refused) as caught:
        await vclaim.sep_insert(body)
    assert caught.value.text.startswith(text)
    assert sandbox.state.books.seps == before


async def test_an_emergency_does_not_stand_in_the_way_of_its_admission(vclaim: VClaim) -> None:
    first = await vclaim.sep_insert(emergency())
    second = await vclaim.sep_insert(inpatient())
    assert (first["jnsPelayanan"], second["jnsPelayanan"]) == ("R.Jalan", "R.Inap")
    with pytest.raises(Refused, match="belum dipulangkan"):
        await vclaim.sep_insert(inpatient())
    gone = {
        "noSep": second["noSep"],
        "statusPulang": "1",
        "noSuratMeninggal": "",
        "tglMeninggal": "",
        "tglPulang": day(),
    }
    assert await vclaim.call("PUT", "/SEP/2.0/updtglplg", {"request": {"t_sep": gone}}) is None
    await vclaim.sep_insert(inpatient())


async def test_a_withdrawn_sep_frees_the_day_and_its_number_is_not_issued_again(vclaim: VClaim) -> None:
    first = await vclaim.sep_insert(sep())
    await vclaim.sep_delete(first["noSep"], "Loket 1")
    second = await vclaim.sep_insert(sep())
    assert int(second["noSep"][-6:]) == int(first["noSep"][-6:]) + 1


def test_every_row_of_the_table_is_earned_by_a_case_above() -> None:
    books = Books(load())
    twice = Books(load())
    twice.issue(sep()["request"]["t_sep"])
    foreign = sep(rujukan__noRujukan="030107021126P000002")
    elsewhere = Books(load())
    elsewhere.seed.referrals["030107011126P000001"].to = "0301R012"
    judged = [broken(facts(body["request"]["t_sep"], "0301R011", books)) for _, body in refused()]
    judged += [broken(facts(sep()["request"]["t_sep"], "0301R011", state)) for state in (twice, elsewhere)]
    judged.append(broken(facts(foreign["request"]["t_sep"], "0301R011", books)))
    unearned = [row.text for row in rows() if row not in judged]
    assert unearned == []
    assert None not in judged
