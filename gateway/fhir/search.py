"""search of a type, by GET or POST. Source: https://hl7.org/fhir/R4/http.html#search"""

from urllib.parse import parse_qsl, urlencode

from gateway.errors import FhirError
from gateway.fhir import bundles
from gateway.fhir.call import Answer, Call
from gateway.fhir.history import count
from gateway.store import BadParameter

FORM = "application/x-www-form-urlencoded"


async def search(call: Call) -> Answer:
    """GET Type?parameters"""
    query = [(name, value) for name, value in call.query if name != "_count"]
    asked = count(dict(call.query).get("_count"))
    settings = call.services.settings
    size = settings.default_page_size if asked is None else min(asked, settings.max_page_size)
    only_total = call.view.summary == "count" or asked == 0
    wanted = [*query, ("_summary", "count")] if only_total else [*query, ("_count", str(size))]
    try:
        page = await call.services.store.search(call.facility.slug, call.type, wanted, strict=not call.prefer.lenient)
    except BadParameter as bad:
        raise refusal(call.type, bad) from None
    call.audited("search-type", f"{call.path}?{urlencode(call.query)}")
    shown = call.query if call.view.summary == "false" else [*call.query, ("_summary", call.view.summary)]
    answer = bundles.searchset(
        call,
        page.matches,
        page.included,
        query=shown,
        path=call.type,
        total=page.total,
        following=page.next,
        issues=[_warning(text) for text in page.warnings],
    )
    return Answer(200, resource=answer)


async def search_by_post(call: Call) -> Answer:
    """POST Type/_search: parameters in a form body, where no log of addresses sees them."""
    call.expect_media((FORM,), FORM)
    try:
        text = call.body.decode("utf-8")
        form = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise FhirError(
            "GF-106", header="Content-Type", value=FORM, wanted="a form in UTF-8: name=value&name=value"
        ) from None
    call.add_parameters(form)
    return await search(call)


def refusal(resource_type: str, bad: BadParameter) -> FhirError:
    """What the caller is told of a search parameter that is unknown or malformed."""
    if bad.valid:
        return FhirError(
            "GF-401", detail=f"{bad.parameter}: {bad.problem}.", type=resource_type, valid=", ".join(bad.valid)
        )
    return FhirError("GF-402", detail=f"{bad.parameter}: {bad.problem}.")


def _warning(text: str) -> dict[str, object]:
    return {"severity": "warning", "code": "not-supported", "details": {"text": text}}
