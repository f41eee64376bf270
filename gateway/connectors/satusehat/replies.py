"""What SATUSEHAT's replies say: five systems answer in its name, each with an envelope of its own.

FHIR processor and Google's store: OperationOutcome (the words are in `details.text`, the rule's number within them);
Apigee: `fault`; its OAuth: `ErrorCode`; the patient index: `success`, with HTTP 200 even when it refuses; KYC:
`metadata`; KFA: `detail`; and proxies in between: HTML or bare text. Source: reference satusehat.md §5.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from gateway.connectors.errors import DestinationError, Held
from gateway.connectors.outcomes import Answer, OutcomeTable
from gateway.connectors.wire import Exchange, retry_after
from profiles import fhirjson

_RULE = re.compile(r"\(Rule ?Number: ?(\d+)\)", re.IGNORECASE)
_STORE_ID = re.compile(r"[a-z]+(_[a-z]+)*")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_BLAMES = ("fatal", "error", "invalid")

Json = dict[str, Any]


@cache
def outcome_table() -> OutcomeTable:
    """What SATUSEHAT's codes, rule numbers and texts mean (`replies.yaml`)."""
    return OutcomeTable.load("gateway.connectors.satusehat", "replies.yaml")


def failure(exchange: Exchange, *, changes: bool) -> DestinationError | None:
    """The error that a reply means, or None where it is a success. A 2xx may be a refusal, and often is."""
    status = exchange.status or 0
    try:
        body = fhirjson.decode(exchange.reply or b"")
    except fhirjson.FhirJsonError:
        return outcome_table().error(_illegible(exchange, changes))
    told = refusal(body, changes=changes, status=status, retry_after=retry_after(exchange))
    if told or 200 <= status < 300:
        return told
    return outcome_table().error(Answer(f"HTTP {status}", changes, status=status, retry_after=retry_after(exchange)))


def refusal(body: Json, **known: Any) -> DestinationError | None:
    """The error that a decoded body tells of in any of the envelopes; `known` are the `Answer`'s other fields."""
    answers = [Answer(**found, **known) for read in _ENVELOPES for found in read(body)]
    return _chief([outcome_table().error(answer) for answer in answers]) if answers else None


def _chief(errors: list[DestinationError]) -> DestinationError:
    # What only follows from another issue (20012, 20013, a target that was refused itself) is not the reason.
    chief = next((error for error in errors if not isinstance(error, Held)), errors[0])
    if len(errors) > 1:
        chief.text = "; ".join(dict.fromkeys(error.text for error in errors))
        chief.args = (chief.text,)
    return chief


def _illegible(exchange: Exchange, changes: bool) -> Answer:
    text = (exchange.reply or b"")[:2000].decode("utf-8", "replace")
    title = _TITLE.search(text)
    shown = " ".join((title.group(1) if title else text[:120]).split()) or "an empty body"
    return Answer(
        f"HTTP {exchange.status}, {shown}",
        changes,
        legible=False,
        status=exchange.status,
        retry_after=retry_after(exchange),
    )


def _operation_outcome(body: Json) -> Iterator[Json]:
    if body.get("resourceType") != "OperationOutcome":
        return
    for issue in body.get("issue") or ():
        if issue.get("severity") not in _BLAMES and issue.get("code") != "suppressed":
            continue
        text = (issue.get("details") or {}).get("text") or ""
        diagnostics = issue.get("diagnostics") or ""
        rule = _RULE.search(text) or _RULE.search(diagnostics)
        store_id = text if _STORE_ID.fullmatch(text) else None
        yield {
            "text": f"{text}: {diagnostics}"
            if text and diagnostics
            else text or diagnostics or "refused without words",
            "code": rule.group(1) if rule else store_id or issue.get("code"),
            "element": next(iter(issue.get("expression") or ()), None),
        }


def _apigee(body: Json) -> Iterator[Json]:
    fault = body.get("fault")
    if isinstance(fault, dict):
        yield {
            "text": str(fault.get("faultstring", "fault")),
            "code": (fault.get("detail") or {}).get("errorcode"),
        }


def _oauth(body: Json) -> Iterator[Json]:
    if "ErrorCode" in body:
        yield {"text": str(body.get("Error") or body["ErrorCode"]), "code": str(body["ErrorCode"])}


def _patient_index(body: Json) -> Iterator[Json]:
    parts = [body, *(part for part in body.values() if isinstance(part, dict))]
    for part in parts:
        if part.get("success") is False:
            data = part.get("data")
            existing = data.get("resourceID") if isinstance(data, dict) else None
            yield {"text": str(part.get("message", "refused")), "existing": existing}


def _kyc(body: Json) -> Iterator[Json]:
    meta = body.get("metadata")
    if isinstance(meta, dict) and str(meta.get("code", "200")) != "200":
        yield {"text": str(meta.get("message", "refused")), "code": str(meta["code"])}


def _kfa(body: Json) -> Iterator[Json]:
    detail = body.get("detail")
    for problem in detail if isinstance(detail, list) else ():
        yield {"text": str(problem.get("msg")), "element": ".".join(str(step) for step in problem.get("loc") or ())}


_ENVELOPES: tuple[Callable[[Json], Iterator[Json]], ...] = (
    _operation_outcome,
    _apigee,
    _oauth,
    _patient_index,
    _kyc,
    _kfa,
)
