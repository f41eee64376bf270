"""Delivery to BPJS VClaim: map, check, send, bring the answer home, never a SEP twice.

BPJS knows no idempotency key. After an unknown outcome the SEP is looked for (by the referral, else in the member's
history); and when BPJS refuses a second one it names the first, which is adopted if it is the answer to this request.

Source: reference bpjs.md §3.3, §4.3, §4.4.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import mappings
from gateway.connectors.errors import Duplicate, NotFound
from gateway.connectors.vclaim import VClaim, is_answer_to
from gateway.outbox import answers
from gateway.outbox.attempt import Attempt
from gateway.outbox.desk import Desk, Visit, product
from gateway.outbox.rows import Settlement
from profiles import fhirjson

Payload = dict[str, Any]
Reply = dict[str, Any]


class Operation(NamedTuple):
    """What an operation of a module's head means here. `find` looks for the effect of a request whose outcome is
    unknown; None: to repeat the request is harmless."""

    send: Callable[[VClaim, Payload], Awaitable[Any]]
    find: Callable[[VClaim, Payload], Awaitable[Reply | None]] | None
    keep: answers.Keep


class VClaimDelivery:
    """Carries out the steps of the modules whose destination is `vclaim`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, attempt: Attempt) -> Settlement:
        """Deliver one row. Raises a DestinationError."""
        row = attempt.row
        visit = await self._desk.visit(attempt)
        step = mappings.load(row.operation, visit.facility.mappings).step(row.step)
        source = visit.resources.get(row.source)
        wanted = source is not None and step.wants(source) and step.applies(visit.bundle, **visit.context(row.source))
        if not wanted and (source is None or not attempt.unsettled):
            return Settlement(row, "done", result={"sent": 0})
        made = product(step, visit, row.source)
        client, operation = self._desk.vclaim(attempt), OPERATIONS[step.operation]
        reply = None
        if attempt.unsettled and operation.find:
            reply = await self._ours(visit, row.source, await operation.find(client, made))
        if reply is None and not wanted:
            return Settlement(row, "done", result={"sent": 0})
        if reply is None:
            reply = await self._send(attempt, visit, client, operation, step, made)
        return await operation.keep(self._desk, attempt, visit, made, reply)

    async def _send(
        self,
        attempt: Attempt,
        visit: Visit,
        client: VClaim,
        operation: Operation,
        step: mappings.Step,
        made: Payload,
    ) -> Any:
        try:
            async with attempt.sending(step.operation, fhirjson.encode(made)):
                return await operation.send(client, made)
        except Duplicate as duplicate:
            if duplicate.existing is None:
                raise
            detail = await client.sep(duplicate.existing)
            if not is_answer_to(detail, made):
                raise
            ours = await self._ours(visit, attempt.row.source, detail)
            if ours is None:
                raise
            attempt.refused = None
            return ours

    async def _ours(self, visit: Visit, source: str, reply: Reply | None) -> Reply | None:
        """The reply, unless what it names already belongs to another request."""
        if reply is None:
            return None
        remote = f"SEP/{reply['noSep']}" if "noSep" in reply else f"Rujukan/{reply['noRujukan']}"
        owner = (await self._desk.store.local(visit.facility.slug, "vclaim", [remote])).get(remote)
        return reply if owner in (None, source) else None


async def find_sep(client: VClaim, made: Payload) -> Reply | None:
    """The SEP that an insert of unknown outcome made: the referral's last, or one of the member's on that day."""
    asked = made["request"]["t_sep"]
    numbers: list[str] = []
    try:
        if referral := asked["rujukan"]["noRujukan"]:
            numbers = [str((await client.last_sep(referral)).get("noSep", ""))]
        else:
            day = asked["tglSep"]
            path = f"/monitoring/HistoriPelayanan/NoKartu/{asked['noKartu']}/tglMulai/{day}/tglAkhir/{day}"
            rows = ((await client.call("GET", path)) or {}).get("histori") or []
            numbers = [str(row.get("noSep", "")) for row in rows]
    except NotFound:
        return None
    for number in numbers:
        if number.startswith(asked["ppkPelayanan"]):
            detail = await client.sep(number)
            if is_answer_to(detail, made):
                return detail
    return None


async def find_referral(client: VClaim, made: Payload) -> Reply | None:
    """The onward referral that an insert of unknown outcome made: the one of that day on the same SEP."""
    asked = made["request"]["t_rujukan"]
    day = asked["tglRujukan"]
    try:
        rows = (await client.call("GET", f"/Rujukan/Keluar/List/tglMulai/{day}/tglAkhir/{day}") or {}).get("list") or []
        for row in rows:
            numbers = {key.lower(): value for key, value in row.items()}
            if numbers.get("nosep") == asked["noSep"] and numbers.get("ppkdirujuk") == asked["ppkDirujuk"]:
                detail = await client.call("GET", f"/Rujukan/Keluar/{numbers['norujukan']}")
                return dict(detail.get("rujukan", detail))
    except NotFound:
        pass
    return None


async def withdraw_sep(client: VClaim, made: Payload) -> str:
    """Delete a SEP; that it is not there any more is as good."""
    asked = made["request"]["t_sep"]
    try:
        return await client.sep_delete(asked["noSep"], asked["user"])
    except NotFound:
        return str(asked["noSep"])


OPERATIONS: Mapping[str, Operation] = {
    "sep.insert": Operation(VClaim.sep_insert, find_sep, answers.sep_issued),
    "sep.update": Operation(VClaim.sep_update, None, answers.sep_changed),
    "sep.delete": Operation(withdraw_sep, None, answers.sep_withdrawn),
    "rujukan.insert": Operation(VClaim.rujukan_insert, find_referral, answers.referral_issued),
}
