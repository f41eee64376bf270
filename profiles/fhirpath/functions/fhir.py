"""What FHIR adds. Source: https://hl7.org/fhir/R4/fhirpath.html#functions."""

from functools import cache
from typing import Any

from profiles.fhirpath.environment import Environment
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.functions.registry import function, truth_function
from profiles.fhirpath.functions.strings import text
from profiles.fhirpath.model import UNTYPED, Type, fhir_type, is_fhir_type
from profiles.fhirpath.values import EMPTY, Items, TypeInfo, type_of, wrap

MAX_DESCENDANTS = 5_000_000
_CORE = "http://hl7.org/fhir/StructureDefinition/"


@function("extension", least=1)
def extension(items: Items, url: Items) -> Items:
    """`extension(url)`."""
    wanted = text(url)
    kind = fhir_type("Extension")
    return [(found, kind, None) for item in items for found in _extensions(item) if found.get("url") == wanted]


def _extensions(item: Any) -> list[dict[str, Any]]:
    if item.__class__ is not tuple:
        return []
    value, _, extra = item
    owner = value if value.__class__ is dict else extra
    found = owner.get("extension") if owner.__class__ is dict else None
    return [part for part in found if part.__class__ is dict] if found.__class__ is list else []


@truth_function("hasExtension", least=1)
def has_extension(items: Items, url: Items) -> bool:
    """`hasExtension(url)`."""
    return bool(extension(items, url))


@function("children")
def children(items: Items) -> Items:
    """`children()`: every direct element, in the order of the JSON."""
    out: Items = []
    for item in items:
        if item.__class__ is tuple:
            _read_children(item, out)
    return out


def _read_children(item: Any, out: Items) -> None:
    value, type_, extra = item
    owner = value if value.__class__ is dict else extra
    if owner.__class__ is not dict:
        return
    for key in owner:
        name = key.removeprefix("_")
        if key == "resourceType" or (name != key and name in owner):
            continue
        if type_ is UNTYPED:
            type_.elements.get(name).read(owner, out)  # type: ignore[union-attr]
            continue
        known = type_.key_elements.get(name)
        if known is not None:
            known.read(owner, out)


@function("descendants")
def descendants(items: Items) -> Items:
    """`descendants()`: children, their children, and so on."""
    out: Items = []
    level = children(items)
    while level:
        out += level
        if len(out) > MAX_DESCENDANTS:
            raise FHIRPathError(f"more than {MAX_DESCENDANTS} descendants")
        level = children(level)
    return out


@function("elementDefinition", "slice", "checkModifiers", most=10)
def needs_profile(items: Items, *arguments: Items) -> Items:
    """Functions on the profile that an element is read with, which data alone does not carry."""
    raise FHIRPathError("elementDefinition(), slice() and checkModifiers() need the profile that is validated against")


@function("type")
def type_info(items: Items) -> Items:
    """`type()`: namespace and name of each item's type."""
    return [TypeInfo(kind.namespace or "System", kind.name) for kind in map(type_of, items)]


@function("resolve", env=True)
def resolve(env: Environment, items: Items) -> Items:
    """`resolve()`: the resources that references, or URLs, point to.

    A `#id` is looked for among the contained, a full URL among the entries of the Bundle; for the rest the host's
    `resolver` is asked. Without a resolver the type alone is known, from `Type/id` (enough for `resolve() is Patient`).
    """
    return [found for item in items for found in _resolve(env, item)]


def _resolve(env: Environment, item: Any) -> Items:
    value = item[0] if item.__class__ is tuple else item
    if value.__class__ is dict:
        value = value.get("reference")
    if value.__class__ is not str or not value:
        return EMPTY
    inside = env.local(value)
    if inside is not None:
        return wrap(inside)
    ask = env.host("resolver")
    if ask is not None:
        return wrap(ask(value))
    kind = _type_in(value)
    return [({"resourceType": kind.name, "id": value.rpartition("/")[2]}, kind, None)] if kind else EMPTY


def _type_in(reference: str) -> Type | None:
    parts = reference.partition("/_history/")[0].split("/")
    if len(parts) < 2 or not is_fhir_type(parts[-2]):
        return None
    kind = fhir_type(parts[-2])
    return kind if kind.is_resource else None


@truth_function("htmlChecks", "htmlChecks2")
def html_checks(items: Items) -> bool | None:
    """`htmlChecks()`: whether the narrative keeps FHIR's rules for XHTML."""
    from profiles.validator.narrative import is_narrative

    value = text(items)
    return None if value is None else is_narrative(value)


@truth_function("conformsTo", least=1, env=True)
def conforms_to(env: Environment, items: Items, profile: Items) -> bool | None:
    """`conformsTo(url)`: asks the host's `conforms(value, url)`, else the validator with the shipped definitions.

    Of what is no resource only the type can be told. Raises FHIRPathError for a profile that is not known.
    """
    url = text(profile)
    if not items or url is None:
        return None
    if len(items) > 1:
        raise FHIRPathError("conformsTo() takes one item")
    item = items[0]
    value = item[0] if item.__class__ is tuple else item
    ask = env.host("conforms")
    if ask is not None:
        return bool(ask(value, url))
    name = url.removeprefix(_CORE)
    if name != url and is_fhir_type(name) and fhir_type(name) not in type_of(item).ancestors:
        return False
    if value.__class__ is dict and "resourceType" in value:
        return _is_valid(value, url)
    if name != url and is_fhir_type(name):
        return True
    raise FHIRPathError(f"the profile {url} is not known here")


def _is_valid(resource: dict[str, Any], url: str) -> bool:
    from profiles import definitions

    if definitions.structure(url) is None:
        raise FHIRPathError(f"the profile {url} is not known here")
    return not any(issue.severity in ("fatal", "error") for issue in _validator().validate(resource, url))


@cache
def _validator() -> Any:
    from profiles.validator import Validator

    return Validator()
