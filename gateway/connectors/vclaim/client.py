"""The VClaim client: one facility's access to BPJS' REST service.

Source: BPJS TrustMark catalogue, VClaim 2.0 (reference bpjs.md §1–4).
"""

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any, Self
from urllib.parse import quote

import msgspec

from gateway.connectors.errors import DestinationError
from gateway.connectors.outcomes import Answer, OutcomeTable, unknown
from gateway.connectors.vclaim.crypto import UnreadableReply, reply_key, signature
from gateway.connectors.vclaim.envelope import Envelope, NotAnEnvelope, opened
from gateway.connectors.wire import Exchange, NoReply, Observer, Wire, nobody, retry_after
from gateway.settings import VClaimAccount

Json = dict[str, Any]

# The WCF service behind VClaim answers an HTML error page to a POST that calls its JSON by its name.
READ_TYPE, CHANGE_TYPE = "application/json; charset=utf-8", "application/x-www-form-urlencoded"


@cache
def outcome_table() -> OutcomeTable:
    """What VClaim's codes and texts mean (`replies.yaml`)."""
    return OutcomeTable.load("gateway.connectors.vclaim", "replies.yaml")


class VClaim:
    """One facility at VClaim. Every method returns the decoded `response` or raises a DestinationError.

    Request bodies are whole, as the catalogue writes them: `{"request": {"t_sep": {…}}}`. Dates are Indonesian
    calendar days. `on_exchange` is called once for every request sent, before the method returns or raises.
    """

    def __init__(
        self, account: VClaimAccount, on_exchange: Observer = nobody, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._account, self._on_exchange, self._clock = account, on_exchange, clock
        self._base = account.base_url.rstrip("/")
        self._wire = Wire("vclaim", account.timeout_s)

    def observing(self, on_exchange: Observer) -> Self:
        """This client, same connections, with its evidence going to `on_exchange`."""
        other = copy.copy(self)
        other._on_exchange = on_exchange
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def call(self, method: str, path: str, body: Json | None = None) -> Any:
        """Send one request (`path` below the base URL) and return what its reply encloses: object, list, text or None.

        Raises Refused, Duplicate, NotFound, Misconfigured or Throttled as `replies.yaml` says; Unavailable where
        nothing was done; OutcomeUnknown where a change was sent and no trustworthy answer came.
        """
        changes = method != "GET"
        timestamp = str(int(self._clock()))
        headers = self._headers(timestamp, CHANGE_TYPE if changes else READ_TYPE)
        raw = None if body is None else msgspec.json.encode(body)
        try:
            exchange = await self._wire.send(method, f"{self._base}/{path.lstrip('/')}", headers, raw)
        except NoReply as silence:
            self._on_exchange(silence.exchange)
            raise silence.as_error(changes=changes) from silence
        try:
            envelope = opened(exchange.reply or b"", lambda: self._key(timestamp), outcome_table().success)
        except (NotAnEnvelope, UnreadableReply) as problem:
            self._on_exchange(exchange)
            raise _illegible(exchange, problem, changes=changes) from problem
        self._on_exchange(replace(exchange, reply=envelope.encode()))
        if envelope.code not in outcome_table().success:
            raise _refusal(exchange, envelope, changes=changes)
        return envelope.response

    async def peserta(self, no_kartu: str, tgl_sep: date) -> Json:
        """The member with this card on that day. A member who is not active is returned too: see `statusPeserta`."""
        return await self._one(f"/Peserta/nokartu/{_part(no_kartu)}/tglSEP/{tgl_sep}", "peserta")

    async def peserta_by_nik(self, nik: str, tgl_sep: date) -> Json:
        """The member with this NIK on that day. Compare the name: unregistered newborns share NIKs of zeros."""
        return await self._one(f"/Peserta/nik/{_part(nik)}/tglSEP/{tgl_sep}", "peserta")

    async def rujukan(self, no_rujukan: str, *, rs: bool = False) -> Json:
        """The referral with this number, from a first-level facility or, with `rs`, from a hospital."""
        return await self._one(f"/Rujukan/{'RS/' * rs}{_part(no_rujukan)}", "rujukan")

    async def rujukan_by_card(self, no_kartu: str, *, rs: bool = False) -> Json:
        """The member's newest referral."""
        return await self._one(f"/Rujukan/{'RS/' * rs}Peserta/{_part(no_kartu)}", "rujukan")

    async def rujukan_list(self, no_kartu: str, *, rs: bool = False) -> list[Json]:
        """All referrals of the member."""
        response = await self.call("GET", f"/Rujukan/{'RS/' * rs}List/Peserta/{_part(no_kartu)}")
        rows = response.get("rujukan") if isinstance(response, dict) else response
        return [row for row in rows or () if isinstance(row, dict)]

    async def rujukan_insert(self, body: Json) -> Json:
        """Refer a patient onward (2.0); the reply's `noRujukan` is the new number."""
        response = await self.call("POST", "/Rujukan/2.0/insert", body)
        return _enclosed(response, "rujukan", changes=True)

    async def sep_insert(self, body: Json) -> Json:
        """Issue a SEP (2.0) and return its `sep`; Duplicate names the SEP that the member already has.

        That may be this visit's own after a lost answer, or another's: `is_answer_to` of `sep(existing)` tells.
        """
        return _enclosed(await self.call("POST", "/SEP/2.0/insert", body), "sep", changes=True)

    async def sep_update(self, body: Json) -> str:
        """Change a SEP (2.0); returns its number."""
        return str(await self.call("PUT", "/SEP/2.0/update", body))

    async def sep_delete(self, no_sep: str, user: str) -> str:
        """Withdraw a SEP (2.0); returns its number."""
        body = {"request": {"t_sep": {"noSep": no_sep, "user": user}}}
        return str(await self.call("DELETE", "/SEP/2.0/delete", body))

    async def sep(self, no_sep: str) -> Json:
        """The SEP with this number; NotFound where there is none."""
        return _enclosed(await self.call("GET", f"/SEP/{_part(no_sep)}"), None, changes=False)

    async def last_sep(self, no_rujukan: str) -> Json:
        """The newest SEP issued on this referral; NotFound where there is none."""
        path = f"/Rujukan/lastsep/norujukan/{_part(no_rujukan)}"
        return _enclosed(await self.call("GET", path), None, changes=False)

    async def _one(self, path: str, name: str) -> Json:
        return _enclosed(await self.call("GET", path), name, changes=False)

    def _headers(self, timestamp: str, content_type: str) -> dict[str, str]:
        account = self._account
        return {
            "X-cons-id": account.consumer_id,
            "X-timestamp": timestamp,
            "X-signature": signature(account.consumer_id, account.consumer_secret.get_secret_value(), timestamp),
            "user_key": account.user_key.get_secret_value(),
            "Content-Type": content_type,
        }

    def _key(self, timestamp: str) -> bytes:
        return reply_key(self._account.consumer_id, self._account.consumer_secret.get_secret_value(), timestamp)


SERVICES = {"1": ("rawat inap", "r.inap"), "2": ("rawat jalan", "r.jalan")}


def is_answer_to(detail: Json, body: Json) -> bool:
    """Whether a SEP's detail (`VClaim.sep`) is what the insert `body` asked for.

    Same issuing facility (the number's first eight characters), card, day and kind of service.
    """
    asked = body["request"]["t_sep"]
    return (
        str(detail.get("noSep", "")).startswith(asked["ppkPelayanan"])
        and detail.get("tglSep") == asked["tglSep"]
        and (detail.get("peserta") or {}).get("noKartu") == asked["noKartu"]
        and str(detail.get("jnsPelayanan", "")).lower() in SERVICES.get(asked["jnsPelayanan"], ())
    )


def _part(value: str) -> str:
    return quote(value, safe="")


def _enclosed(response: Any, name: str | None, *, changes: bool) -> Json:
    inner = response.get(name) if name and isinstance(response, dict) else response
    if not isinstance(inner, dict) or not inner:
        raise unknown(Answer(f"vclaim: success without {name or 'a response'}", changes))
    return inner


def _refusal(exchange: Exchange, envelope: Envelope, *, changes: bool) -> DestinationError:
    return outcome_table().error(
        Answer(
            envelope.message or f"code {envelope.code}",
            changes,
            status=exchange.status,
            code=envelope.code,
            retry_after=retry_after(exchange),
        )
    )


def _illegible(exchange: Exchange, problem: Exception, *, changes: bool) -> DestinationError:
    answer = Answer(
        f"vclaim: HTTP {exchange.status}, {problem}",
        changes,
        legible=False,
        status=exchange.status,
        retry_after=retry_after(exchange),
    )
    return outcome_table().error(answer)
