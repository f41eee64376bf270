"""What templates may call besides FHIRPath's own functions: docs/mappings.md lists them.

Each takes and returns a collection of Python values; what it needs to know of the call it asks `current`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mappings import times
from mappings.conceptmap import ConceptMap
from mappings.errors import MappingError, Reason, known
from mappings.run import Index, current

Function: TypeAlias = Callable[..., list[Any]]
_NO_DIGITS = re.compile("[^0-9]+")
IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"


def functions(maps: Mapping[str, ConceptMap], messages: Mapping[str, "Message"]) -> dict[str, Function]:
    """The host functions of one module; `maps` and `messages` are its head's ConceptMaps and reasons."""
    return {
        "need": lambda focus, key: focus or _hold(messages, [], key),
        "hold": lambda focus, key: _hold(messages, focus, key),
        "translate": lambda focus, name: _translate(maps, focus, name),
        "resources": _resources,
        "numbered": _numbered,
        "having": _having,
        "reference": _reference,
        "local": lambda focus: [current.get().index.local(str(value)) for value in focus],
        "crosswalk": _crosswalk,
        "known": _known,
        "stable": lambda focus: [current.get().stable_id(str(value)) for value in focus],
        "day": lambda focus: [times.day(str(value), current.get().zone) for value in focus],
        "utc": lambda focus: [times.utc(str(value), current.get().zone) for value in focus],
        "phone": lambda focus: [phone(str(value)) for value in focus],
    }


class Message:
    """A reason's text: `path` of the element to mend; `{value}` in a text is replaced by the value that was found."""

    __slots__ = ("en", "id", "path")

    def __init__(self, path: str, id: str, en: str) -> None:
        self.path, self.id, self.en = path, id, en

    def reason(self, key: str, value: str | None) -> Reason:
        """The Reason for one value."""
        shown = "" if value is None else value
        return Reason(key, self.path, self.id.replace("{value}", shown), self.en.replace("{value}", shown), value)


def phone(number: str) -> str:
    """`+62 812-3456` → `08123456`; digits only."""
    digits = _NO_DIGITS.sub("", number)
    return "0" + digits[2:] if digits.startswith("62") else digits


def _one(argument: list[Any], what: str) -> str:
    if len(argument) != 1 or not isinstance(argument[0], str):
        raise MappingError(f"{what} must be one text, found {argument!r}")
    return argument[0]


def _hold(messages: Mapping[str, Message], focus: list[Any], key: list[Any]) -> list[Any]:
    name = known(_one(key, "the reason's name"), messages, "reason")
    shown = _shown(focus[0]) if focus else None
    current.get().reasons.append(messages[name].reason(name, shown))
    return []


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("code") or value.get("value") or value.get("reference") or value.get("text") or "")
    return str(value)


def _translate(maps: Mapping[str, ConceptMap], focus: list[Any], name: list[Any]) -> list[Any]:
    concept_map = maps[known(_one(name, "the ConceptMap's name"), maps, "ConceptMap")]
    for value in focus:
        for system, code in _codes(value):
            found = concept_map.translate(system, code)
            if found is not None:
                return [found]
    return []


def _codes(value: Any) -> list[tuple[str | None, str]]:
    if not isinstance(value, dict):
        return [(None, str(value))]
    if "coding" in value:
        return [(coding.get("system"), coding["code"]) for coding in value["coding"] if "code" in coding]
    code = value.get("code", value.get("value"))
    return [(value.get("system"), code)] if isinstance(code, str) else []


def _resources(focus: list[Any], kind: list[Any]) -> list[Any]:
    return current.get().index.by_type.get(_one(kind, "the resource type"), [])


def _numbered(focus: list[Any], *systems: list[Any]) -> list[Any]:
    run = current.get()
    for system in systems:
        wanted = _one(system, "the identifier system")
        if "{org}" in wanted:
            wanted = wanted.replace("{org}", str(run.facility.get("organization_id")))
        is_type = "/" not in wanted
        for value in focus:
            for identifier in _identifiers(value, run.index):
                fits = identifier.get("system") == wanted or (is_type and _is_of_type(identifier, wanted))
                if fits and "value" in identifier:
                    return [identifier["value"]]
    return []


def _having(focus: list[Any], *systems: list[Any]) -> list[Any]:
    return [value for value in focus if _numbered([value], *systems)]


def _identifiers(value: Any, index: Index) -> list[dict[str, Any]]:
    if "reference" in value and (target := index.resolve(value["reference"])) is not None:
        value = target
    found = value.get("identifier", [])
    return [found] if isinstance(found, dict) else found


def _is_of_type(identifier: dict[str, Any], code: str) -> bool:
    return any(
        coding.get("system") == IDENTIFIER_TYPES and coding.get("code") == code
        for coding in identifier.get("type", {}).get("coding", ())
    )


def _reference(focus: list[Any]) -> list[Any]:
    index = current.get().index
    return [reference for value in focus if (reference := index.reference(value)) is not None]


def _known(focus: list[Any]) -> list[Any]:
    run = current.get()
    return [remote for value in focus if (remote := run.remote_id(str(value))) is not None]


def _crosswalk(focus: list[Any]) -> list[Any]:
    run, made = current.get(), []
    for value in focus:
        remote = run.remote_id(str(value))
        if remote is None:
            run.reasons.append(not_there_yet(str(value)))
        else:
            made.append(remote)
    return made


def not_there_yet(reference: str, path: str | None = None) -> Reason:
    """The reason for a reference whose target the destination does not know yet."""
    return Reason(
        "crosswalk",
        path or reference,
        f"{reference} belum ada di tujuan; kirim atau cari dulu.",
        f"{reference} does not exist at the destination yet; send it or look it up first.",
        reference,
    )
