"""References in a Bundle: which strings are links, and their rewriting to what was stored.

Source: https://hl7.org/fhir/R4/http.html#trules (links are replaced in references, in elements of type uri, url, oid
and uuid, and in the narrative) and https://hl7.org/fhir/R4/bundle.html#references.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from profiles import definitions
from profiles.fhirjson import Resource

LINK_TYPES = frozenset({"uri", "url", "oid", "uuid", "canonical"})
_RESTFUL = re.compile(r"(?P<base>https?://.+/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})")
_NARRATIVE = re.compile(r"""(\s(?:href|src)\s*=\s*["'])([^"']+)""")


@cache
def link_keys() -> frozenset[str]:
    """JSON keys under which an element of a link type may stand, in any R4 resource or data type."""
    keys = {"reference"}
    names = ("Extension", "Identifier", "Coding", "Quantity", "Attachment", "Meta", "Signature", "RelatedArtifact")
    for name in (*sorted(definitions.RESOURCE_TYPES), *names):
        structure = definitions.structure(name)
        for element in structure["snapshot"]["element"] if structure else ():
            key = element["path"].rpartition(".")[2]
            for kind in element.get("type", ()):
                if kind["code"] in LINK_TYPES:
                    keys.add(key.replace("[x]", kind["code"][0].upper() + kind["code"][1:]))
    return frozenset(keys)


def parts(reference: str) -> tuple[str, str, str] | None:
    """(base, type, id) of a relative or absolute RESTful reference without version; None for any other string."""
    found = _RESTFUL.fullmatch(reference)
    return (found["base"] or "", found["type"], found["id"]) if found else None


def rewritten(resource: Resource, rewrite: Callable[[str], str], links: Mapping[str, str]) -> Resource:
    """A copy of the resource with `rewrite` applied to every `reference`, and other links found in `links` replaced.

    Untouched parts are shared with the source.
    """
    return _copy(resource, rewrite, links)


def _copy(node: dict[str, Any], rewrite: Callable[[str], str], links: Mapping[str, str]) -> dict[str, Any]:
    changed: dict[str, Any] | None = None
    for key, value in node.items():
        new: Any = value
        if isinstance(value, str):
            if key == "reference":
                new = rewrite(value)
            elif key == "div":
                new = _NARRATIVE.sub(lambda found: found[1] + links.get(found[2], found[2]), value)
            elif value in links and key in link_keys():
                new = links[value]
        elif isinstance(value, dict):
            new = _copy(value, rewrite, links)
        elif isinstance(value, list):
            new = _list(key, value, rewrite, links)
        if new is not value and new != value:
            changed = dict(node) if changed is None else changed
            changed[key] = new
    return node if changed is None else changed


def _list(key: str, values: list[Any], rewrite: Callable[[str], str], links: Mapping[str, str]) -> list[Any]:
    new = [
        _copy(value, rewrite, links)
        if isinstance(value, dict)
        else links[value]
        if isinstance(value, str) and value in links and key in link_keys()
        else value
        for value in values
    ]
    return new if any(a is not b for a, b in zip(new, values, strict=True)) else values


def references(resource: Any) -> Iterator[str]:
    """Every `reference` string of a resource, contained ones included."""
    if isinstance(resource, dict):
        for key, value in resource.items():
            if key == "reference" and isinstance(value, str):
                yield value
            elif isinstance(value, dict | list):
                yield from references(value)
    elif isinstance(resource, list):
        for value in resource:
            yield from references(value)
