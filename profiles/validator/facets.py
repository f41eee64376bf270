"""What a profile asks of a single value beside its content: limits, patterns, sizes, how references are made."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from profiles.definitions import BASE
from profiles.validator.source import Source

Json = dict[str, Any]


class Facet(NamedTuple):
    """The test of the runtime that judges an extension of ElementDefinition, and the message where it fails."""

    test: str
    message: str


FACETS = {
    BASE + "regex": Facet("has_pattern", "regex"),
    BASE + "minLength": Facet("has_length", "too-short"),
    BASE + "maxDecimalPlaces": Facet("has_places", "decimals"),
    BASE + "maxSize": Facet("has_size", "too-large"),
}


def write(s: Source, element: Json, base: Json, v: str, path: str) -> None:
    """Write the tests of `v` that the element adds to those of R4's own element."""
    rule = element["id"]
    _length(s, element, base, v, path)
    for key, limit in element.items():
        if key.startswith(("minValue", "maxValue")) and key not in base:
            side = "least" if key.startswith("min") else "most"
            constant = s.constant(repr(limit))
            s.line(f"c.limit({v}, {side!r}, {constant}, {path}, {rule!r})" if s.reports
                   else f"if not c.keeps_limit({v}, {side!r}, {constant}): return False")  # fmt: skip
    known = list(_extensions(base))
    for url, value in _extensions(element):
        facet = FACETS.get(url)
        if facet is not None and (url, value) not in known:
            limit = s.constant(repr(value))
            s.line(f"if not {facet.test}({v}, {limit}): {s.bad(facet.message, path, rule, v, limit=value)}")


def _length(s: Source, element: Json, base: Json, v: str, path: str) -> None:
    limit = element.get("maxLength")
    if limit is not None and limit != base.get("maxLength"):
        call = f"c.too_long({path}, {element['id']!r}, {v}, {limit})" if s.reports else "return False"
        s.line(f"if {v}.__class__ is str and len({v}) > {limit}: {call}")


def _extensions(element: Json) -> Iterator[tuple[str, Any]]:
    """Url and value of the extensions on an element and on its types, where a regular expression may stand too."""
    for owner in (element, *element.get("type", ())):
        for extension in owner.get("extension", ()):
            yield extension["url"], next((v for k, v in extension.items() if k.startswith("value")), None)


def write_references(s: Source, types: list[Json], v: str, path: str, rule: str) -> None:
    """Write the tests of how a reference is made: contained, bundled or from elsewhere; with a version or without."""
    references = [t for t in types if t["code"] in ("Reference", "canonical")]
    modes = sorted({mode for t in references for mode in t.get("aggregation", ())})
    if modes and all("aggregation" in t for t in references):
        place, found = f"{path} + '.reference'", f"reference_text({v})"
        bad = s.bad("reference-aggregation", place, rule, found, modes=" / ".join(modes))
        s.line(f"if not c.is_aggregated({v}, {s.constant(repr(tuple(modes)))}): {bad}")
    versions = {t.get("versioning", "either") for t in references}
    if len(versions) == 1 and "either" not in versions:
        wanted = versions.pop()
        bad = s.bad(f"reference-{wanted}", path, rule, f"reference_text({v})")
        s.line(f"if not is_versioned({v}, {wanted == 'specific'}): {bad}")
