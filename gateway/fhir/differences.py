"""What changed from one version of a resource to another, as a FHIRPath Patch that makes the one of the other.

Source: https://hl7.org/fhir/R4/fhirpatch.html
"""

from difflib import SequenceMatcher
from typing import Any

import msgspec

from gateway.fhir.elements import Json, Pair, actual, open_types, pairs, present
from profiles.fhirjson import Resource
from profiles.fhirpath.model import Element, Type, choice_key, type_of_resource

Row = Json
_encoder = msgspec.json.Encoder(decimal_format="number", order="sorted")


def differences(old: Resource, new: Resource) -> list[Row]:
    """The rows of a Parameters resource: none where both are the same. Both are of one type."""
    kind = type_of_resource(new)
    assert kind is not None
    rows: list[Row] = []
    _objects(kind.name, kind, old, new, rows)
    return rows


def _objects(path: str, kind: Type, old: Json, new: Json, rows: list[Row]) -> None:
    """What is new comes before what goes, so that no object stands empty in between."""
    gone: list[Row] = []
    for element in kind.elements.values():
        before, after = present(old, element), present(new, element)
        here = f"{path}.{element.name}"
        olds = pairs(old, before[0]) if before else []
        news = pairs(new, after[0]) if after else []
        if after is None and before is not None:
            places = [f"{here}[{index}]" for index in range(len(olds))] if element.many else [here]
            gone += [_operation("delete", place) for place in reversed(places)]
        elif after is not None and before is None:
            rows += [_operation("add", path, element.name, _value("value", after[1], pair)) for pair in news]
        elif after is not None and before is not None:
            if element.many:
                _lists(here, element, after[1], olds, news, rows)
            elif before[0] != after[0]:
                rows.append(_operation("replace", here, value=_value("value", after[1], news[0])))
            else:
                _items(here, after[1], olds[0], news[0], rows)
    rows += gone


def _items(here: str, kind: Type, old: Pair, new: Pair, rows: list[Row]) -> None:
    """One item that is there before and after: changed inside, or replaced."""
    if _same(old, new):
        return
    before, after = actual(old[0], kind), actual(new[0], kind)
    if after.primitive or after.namespace == "System" or before is not after:
        rows.append(_operation("replace", here, value=_value("value", kind, new)))
    else:
        _objects(here, after, old[0], new[0], rows)


def _lists(here: str, element: Element, kind: Type, olds: list[Pair], news: list[Pair], rows: list[Row]) -> None:
    """From the end to the beginning, so that the indexes before an operation stay true."""
    matcher = SequenceMatcher(None, [_encoder.encode(p) for p in olds], [_encoder.encode(p) for p in news], False)
    for what, start, end, first, last in reversed(matcher.get_opcodes()):
        if what == "equal":
            continue
        both = min(end - start, last - first)
        rows += [_operation("delete", f"{here}[{index}]") for index in reversed(range(start + both, end))]
        for offset in range(both, last - first):
            value = _value("value", kind, news[first + offset])
            rows.append(_operation("insert", here, index=start + offset, value=value))
        for offset in range(both):
            _items(f"{here}[{start + offset}]", kind, olds[start + offset], news[first + offset], rows)


def _same(old: Pair, new: Pair) -> bool:
    return _encoder.encode(old) == _encoder.encode(new)


def _operation(
    kind: str, path: str, name: str | None = None, value: Row | None = None, *, index: int | None = None
) -> Row:
    parts: list[Row] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    if name is not None:
        parts.append({"name": "name", "valueString": name})
    if index is not None:
        parts.append({"name": "index", "valueInteger": index})
    if value is not None:
        parts.append(value)
    return {"name": "operation", "part": parts}


def _value(name: str, kind: Type, pair: Pair) -> Row:
    """A value as Parameters hold it: value[x], a resource, or the parts of what is neither."""
    value, extra = pair
    if kind.is_resource:
        return {"name": name, "resource": value}
    if kind.name in open_types():
        key = choice_key("value", kind.name)
    elif kind.primitive or kind.namespace == "System":
        key = "valueString"
    else:
        return {"name": name, "part": _parts(kind, value)}
    row: dict[str, Any] = {"name": name}
    if value is not None:
        row[key] = value
    if extra is not None:
        row[f"_{key}"] = extra
    return row


def _parts(kind: Type, value: Json) -> list[Row]:
    rows = []
    for element in kind.elements.values():
        found = present(value, element)
        if found is not None:
            rows += [_value(element.name, found[1], pair) for pair in pairs(value, found[0])]
    return rows
