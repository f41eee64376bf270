"""References: their form, what they point to, and whether the contained resources are pointed to.

Source: https://hl7.org/fhir/R4/references.html
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource
from profiles.fhirpath.model import type_of_resource

Json = dict[str, Any]

_FORM = re.compile(
    r"#[A-Za-z0-9\-.]*"
    r"|(?P<type>[A-Z][A-Za-z]+)(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?|\?\S+)"
    r"|(?!https?:)[a-z][a-z0-9+.\-]*:\S+|https?://\S+"
).fullmatch
is_relative = re.compile(r"[A-Za-z]+/[A-Za-z0-9\-.]{1,64}").fullmatch
is_uri = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+").fullmatch
_TYPED_URL = re.compile(r"/([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$").search

Find = Callable[[str], Resource | None]


def is_reference(text: Any) -> bool:
    """True for the forms that a literal reference may have."""
    if text.__class__ is not str:
        return False
    if is_relative(text):
        return text.partition("/")[0] in RESOURCE_TYPES
    match = _FORM(text)
    return match is not None and (match["type"] is None or match["type"] in RESOURCE_TYPES)


MANY = 4096
REFERENCES: dict[str, str] = {}
"""Relative references that were met, with their types: all that belongs to one visit refers to the same few."""


def refers_to(text: str) -> str | bool:
    """The type that a relative reference names, True for any other text."""
    kind = text.partition("/")[0]
    if kind not in RESOURCE_TYPES or not is_relative(text):
        return True
    if len(REFERENCES) >= MANY:
        REFERENCES.clear()
    REFERENCES[text] = kind
    return kind


def type_of(text: str, find: Find) -> str | None:
    """The type of resource a reference points to, as far as its text or what `find` knows tells."""
    found = find(text)
    if found is not None:
        return str(found.get("resourceType"))
    head = re.split(r"[/?]", text, maxsplit=1)[0]
    if head in RESOURCE_TYPES:
        return head
    match = _TYPED_URL(text)
    return match[1] if match and match[1] in RESOURCE_TYPES else None


def fits(text: Any, allowed: Collection[str], find: Find) -> bool:
    """False where the reference is known to point to another type than those allowed."""
    if text.__class__ is not str:
        return True
    found = type_of(text, find)
    return found is None or found in allowed


def is_versioned(v: Any, wanted: bool) -> bool:
    """True where a Reference or canonical names a version, or names none, as is wanted."""
    text = reference_text(v)
    return text is None or text[:1] == "#" or ("/_history/" in text or "|" in text) is wanted


def reference_text(v: Any) -> str | None:
    """The text of a Reference or canonical, as far as there is one."""
    text = v.get("reference") if v.__class__ is dict else v
    return text if isinstance(text, str) else None


def contained_ids(resource: Resource) -> dict[str, Resource]:
    """The contained resources by id."""
    inner = resource.get("contained")
    if inner.__class__ is not list:
        return {}
    return {r["id"]: r for r in inner if r.__class__ is dict and r.get("id").__class__ is str}


def unused(resource: Resource) -> list[int]:
    """Places of the contained resources that nothing refers to and that do not refer to their container (dom-3)."""
    inner = resource["contained"]
    if inner.__class__ is not list:
        return []
    wanted = {"#" + key for key in contained_ids(resource)}
    seen = {text for text in strings(resource) if text in wanted} if wanted else set()
    return [
        n
        for n, r in enumerate(inner)
        if r.__class__ is dict and "#" + str(r.get("id")) not in seen and "#" not in strings(r)
    ]


def repeated(resource: Resource) -> list[int]:
    """Places of the contained resources whose id an earlier one has."""
    inner = resource["contained"]
    seen: set[str] = set()
    found = []
    for n, r in enumerate(inner) if inner.__class__ is list else ():
        id_ = r.get("id") if r.__class__ is dict else None
        if id_.__class__ is str:
            if id_ in seen:
                found.append(n)
            seen.add(id_)
    return found


def are_contained(resource: Resource) -> bool:
    """True where each contained resource has an id of its own and is referred to."""
    return not unused(resource) and not repeated(resource)


Place = tuple["Place | None", str, int, Json]
"""An object within another: (the place of that one or None, its key there, its index in a list or -1, itself)."""


def within(resource: Resource) -> Iterator[tuple[str, Place]]:
    """Every literal reference in a resource, with the place of its Reference."""
    stack: list[Place] = [(None, "", -1, resource)]
    while stack:
        place = stack.pop()
        for key, inner in place[3].items():
            if inner.__class__ is dict:
                stack.append((place, key, -1, inner))
            elif inner.__class__ is list:
                stack.extend([(place, key, n, item) for n, item in enumerate(inner) if item.__class__ is dict])
        text = place[3].get("reference")
        if text.__class__ is str:
            yield text, place


def located(place: Place, path: str) -> str:
    """The FHIRPath of the literal reference at a place in the resource that stands at `path`."""
    steps: list[Place] = []
    parent: Place | None = place
    while parent is not None:
        steps.append(parent)
        parent = parent[0]
    owner = type_of_resource(steps.pop()[3])
    for _, key, index, value in reversed(steps):
        element = owner.key_elements.get(key) if owner else None
        own = next((t for name, t in element.keys if name == key), None) if element else None
        step = f"{element.name}.ofType({own.name})" if element and element.choice and own else key
        path += f".{step}" if index < 0 else f".{step}[{index}]"
        owner = type_of_resource(value) or own
    return f"{path}.reference"


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, without recursion."""
    stack = [value]
    while stack:
        item = stack.pop()
        if item.__class__ is str:
            yield item
        elif item.__class__ is dict:
            stack.extend(item.values())
        elif item.__class__ is list:
            stack.extend(item)
