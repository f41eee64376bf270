"""search of a type, of several, or of a compartment's members, by GET or POST.

Source: https://hl7.org/fhir/R4/http.html#search, #vsearch
"""

import re
from urllib.parse import parse_qsl, urlencode

from gateway.errors import FhirError
from gateway.fhir import bundles
from gateway.fhir.call import Answer, Call, Query
from gateway.security.door import allow
from gateway.store import BadParameter, Page
from profiles.definitions import RESOURCE_TYPES, compartment

INCLUSIONS = frozenset({"_include", "_revinclude"})
WORDS = re.compile(r"[:.]")
FHIRPY_COUNT = ("_totalMethod", "count")
"""What fhirpy adds to `_count=0`: the name that Aidbox has for `_total=accurate`."""
FORM = "application/x-www-form-urlencoded"


async def search(call: Call) -> Answer:
    """GET Type?parameters, ?_type=A,B&parameters, Patient/id/Type?parameters or Patient/id/*?parameters"""
    _may_ask(call)
    among = None if call.type else _searchable(call)
    only_total = call.view.summary == "count" or ("_count", "0") in call.query
    asked = call.query
    if only_total:
        asked = [pair for pair in asked if pair[0] not in ("_count", "_total") and pair != FHIRPY_COUNT]
        asked = [*asked, ("_count", "0"), ("_total", "accurate")]
    page, ignored = await _page(call, asked, among)
    shown = [pair for pair in call.query if pair[0] not in ignored]
    path = call.path.removesuffix("_search").rstrip("/")
    call.audited("search-type" if call.type else "search-system", f"{path}?{urlencode(shown)}")
    how = [("_summary", call.view.summary)] if call.view.summary != "false" else []
    how += [("_elements", ",".join(call.view.elements))] if call.view.elements else []
    warnings = [*(error.issue(call.lang, "warning") for error in call.warnings), *map(_warning, page.warnings)]
    answer = bundles.searchset(
        call,
        () if only_total else page.matches,
        [version for version in page.included if call.who.role.may("r", version.type)],
        query=[*shown, *how],
        path=path,
        total=page.total,
        following=None if only_total else page.next,
        issues=warnings,
    )
    return Answer(200, resource=answer)


def _may_ask(call: Call) -> None:
    """Raise FhirError where a chain, `_has` or an inclusion names a type that the caller may not search."""
    for name, value in call.query:
        words = WORDS.split(value if name.partition(":")[0] in INCLUSIONS else name)
        for kind in RESOURCE_TYPES.intersection(words):
            allow(call.who, call.facility.slug, "s", kind, "search-type")


def _searchable(call: Call) -> frozenset[str] | None:
    """The types that the caller may search, None for all. Raises FhirError for one that it names and may not."""
    for name, value in call.query:
        if name == "_type":
            for kind in value.split(","):
                allow(call.who, call.facility.slug, "s", kind, "search-system")
    may = call.who.role.may
    there = compartment(call.compartment[0]) if call.compartment else RESOURCE_TYPES
    if not call.compartment and all(may("s", kind) for kind in there):
        return None
    return frozenset(kind for kind in there if may("s", kind))


async def _page(call: Call, query: Query, among: frozenset[str] | None) -> tuple[Page, set[str]]:
    """The page, and the parameters that a lenient caller lets us leave out."""
    ignored: set[str] = set()
    while True:
        asked = [pair for pair in query if pair[0] not in ignored]
        try:
            page = await call.services.store.search(
                call.facility.slug, call.type, asked, compartment=call.compartment, among=among
            )
            return page, ignored
        except BadParameter as bad:
            error = refusal(call.type or "every type", bad)
            if not call.prefer.lenient or bad.parameter in ignored or bad.parameter not in dict(asked):
                raise error from None
            call.warnings.append(error)
            ignored.add(bad.parameter)


async def search_by_post(call: Call) -> Answer:
    """POST Type/_search or _search: parameters in a form body, where no log of addresses sees them."""
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
