"""search of a type, of several, or of a compartment's members, by GET or POST.

Source: https://hl7.org/fhir/R4/http.html#search, #vsearch
"""

from gateway.errors import FhirError
from gateway.fhir import bundles
from gateway.fhir.call import Answer, Call, Query
from gateway.security.door import refused
from gateway.security.roles import searchable
from gateway.store import BadParameter, OutOfSight, Page

INCLUSIONS = frozenset({"_include", "_revinclude"})
FHIRPY_COUNT = ("_totalMethod", "count")
"""What fhirpy adds to `_count=0`: the name that Aidbox has for `_total=accurate`."""


async def search(call: Call) -> Answer:
    """GET Type?parameters, ?_type=A,B&parameters, Patient/id/Type?parameters or Patient/id/*?parameters"""
    named = {name.partition(":")[0] for name, _ in call.query}
    if call.view.summary == "text" and (along := sorted(named & INCLUSIONS)):
        raise FhirError("GF-108", name="_summary", value="text", wanted=f"without {', '.join(along)}")
    only_total = call.view.summary == "count" or ("_count", "0") in call.query
    asked = call.query
    if only_total:
        asked = [pair for pair in asked if pair[0] not in ("_count", "_total") and pair != FHIRPY_COUNT]
        asked = [*asked, ("_count", "0"), ("_total", "accurate")]
    page, ignored = await _page(call, asked)
    shown = [(name, value) for name, value in call.query if value and name not in ignored]
    path = call.path.removesuffix("_search").rstrip("/")
    call.audited("search-type" if call.type else "search-system", f"{path}?{bundles.encoded(shown)}")
    warnings = [*(error.issue(call.lang, "warning") for error in call.warnings), *map(_warning, page.warnings)]
    answer = bundles.searchset(
        call,
        () if only_total else page.matches,
        [version for version in page.included if call.who.role.may("r", version.type)],
        query=[*shown, *call.view.asked],
        path=path,
        total=page.total,
        following=None if only_total else page.next,
        previous=None if only_total else page.previous,
        issues=warnings,
    )
    return Answer(200, resource=answer)


def visible(call: Call) -> frozenset[str] | None:
    """The types that the caller may search, None for all."""
    return searchable(call.who.role.name)


async def _page(call: Call, query: Query) -> tuple[Page, set[str]]:
    """The page, and the parameters that a lenient caller lets us leave out."""
    among = visible(call)
    ignored: set[str] = set()
    while True:
        asked = [pair for pair in query if pair[0] not in ignored]
        try:
            page = await call.services.store.search(
                call.facility.slug, call.type, asked, compartment=call.compartment, among=among
            )
            return page, ignored
        except OutOfSight as hidden:
            raise forbidden(call, hidden.type) from None
        except BadParameter as bad:
            error = refusal(call.type or "every type", bad)
            if not call.prefer.lenient or bad.parameter in ignored or bad.parameter not in dict(asked):
                raise error from None
            call.warnings.append(error)
            ignored.add(bad.parameter)


async def search_by_post(call: Call) -> Answer:
    """POST Type/_search or _search: parameters in a form body, where no log of addresses sees them."""
    call.add_parameters(call.form())
    return await search(call)


def forbidden(call: Call, kind: str) -> FhirError:
    """GF-603: the caller may not search a type that the search names."""
    return refused(call.who, "s", kind, "search-type" if call.type else "search-system")


def refusal(resource_type: str, bad: BadParameter) -> FhirError:
    """What the caller is told of a search parameter that is unknown or malformed."""
    if bad.valid:
        return FhirError(
            "GF-401", detail=f"{bad.parameter}: {bad.problem}.", type=resource_type, valid=", ".join(bad.valid)
        )
    return FhirError("GF-402", detail=f"{bad.parameter}: {bad.problem}.")


def _warning(text: str) -> dict[str, object]:
    return {"severity": "warning", "code": "not-supported", "details": {"text": text}}
