"""Search parameters as written → what they ask, checked against the definitions. Nothing unknown passes in silence."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from profiles import definitions

from ..catalogue import SHIPPED, Catalogue
from ..errors import BadParameter
from ..extract import HEAD_PARAMETERS, INDEXED
from ..model import Query
from .filter import Reader

MODIFIERS: dict[str, frozenset[str]] = {
    "token": frozenset({"not", "text", "in", "not-in", "above", "below", "of-type", "missing"}),
    "string": frozenset({"exact", "contains", "missing"}),
    "date": frozenset({"missing"}),
    "number": frozenset({"missing"}),
    "quantity": frozenset({"missing"}),
    "reference": frozenset({"identifier", "missing"}),
    "uri": frozenset({"below", "above", "missing"}),
    "composite": frozenset({"missing"}),
    "words": frozenset(),
    "position": frozenset({"missing"}),
    "list": frozenset(),
    "filter": frozenset(),
}
"""Search parameter type → its modifiers; a reference takes the name of a target type too."""

SPECIAL = {"_text": "words", "_content": "words", "near": "position", "_filter": "filter", "_list": "list"}
"""Parameters that are no comparison with a value of one type → the kind of their condition."""
UNSORTED = frozenset({"composite", *SPECIAL.values()})

RESULT = ("_sort", "_count", "_total", "_include", "_revinclude", "_cursor")
DEEPEST = 5
"""Links of one chain."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type."""

    type: str
    code: str
    kind: str
    targets: tuple[str, ...]
    components: tuple[tuple[str, str], ...] = ()
    """Of a composite: (derived code, kind) of each component."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """`values` are alternatives; `written` is the parameter's name as the client wrote it."""

    written: str
    parameter: Parameter
    modifier: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Resources whose reference leads to one that meets `of`, one alternative per target type."""

    parameter: Parameter
    of: tuple[tuple[str, "Condition"], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """Resources to which one that meets `of` refers by `parameter`."""

    parameter: Parameter
    of: "Condition"


@dataclass(frozen=True, slots=True)
class Special:
    """`_text`, `_content`, `_list`, `near`: `values` are alternatives."""

    written: str
    parameter: Parameter
    modifier: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Combined:
    """What `_filter` says: conditions joined by `and` or `or`, or the one after `not`."""

    by: Literal["and", "or", "not"]
    of: tuple["Condition", ...]


Condition = Criterion | Chain | Has | Special | Combined


@dataclass(frozen=True, slots=True)
class Include:
    """Resources to add. `parameter` None: by any. `type` restricts them, `iterate`: of those added too."""

    source: str
    parameter: Parameter | None
    type: str | None
    iterate: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A whole search of one type."""

    type: str
    conditions: tuple[Condition, ...]
    sort: tuple[tuple[Parameter, bool], ...]
    count: int | None
    total: Literal["none", "estimate", "accurate"]
    includes: tuple[Include, ...]
    revincludes: tuple[Include, ...]
    cursor: str | None

    @property
    def ordered(self) -> Criterion | None:
        """The only condition, where its index rows lie in the order of the pages: one equality, no other order."""
        if len(self.conditions) != 1 or self.sort:
            return None
        [only] = self.conditions
        if not isinstance(only, Criterion) or only.modifier or len(only.values) != 1:
            return None
        [value] = only.values
        whole = {"token": not value.endswith("|"), "reference": "/" in value, "uri": True}
        return only if only.parameter.code not in HEAD_PARAMETERS and whole.get(only.parameter.kind) else None

    def types(self) -> Iterator[str]:
        """Every type whose parameters the search names."""
        yield self.type
        for condition in self.conditions:
            yield from _types(condition)
        yield from (i.source for i in (*self.includes, *self.revincludes) if i.parameter)


def criteria(conditions: Iterable[Condition]) -> Iterator[Criterion]:
    """Every criterion in the conditions, however deep."""
    for condition in conditions:
        if isinstance(condition, Criterion):
            yield condition
        elif isinstance(condition, Combined):
            yield from criteria(condition.of)
        elif isinstance(condition, Has):
            yield from criteria((condition.of,))
        elif isinstance(condition, Chain):
            yield from criteria(inner for _, inner in condition.of)


def _types(condition: Condition) -> Iterator[str]:
    if isinstance(condition, Combined):
        for inner in condition.of:
            yield from _types(inner)
        return
    yield condition.parameter.type
    if isinstance(condition, Special):
        if condition.parameter.kind == "list":
            yield "List"
    elif isinstance(condition, Has):
        yield from _types(condition.of)
    elif isinstance(condition, Chain):
        for target, inner in condition.of:
            yield target
            yield from _types(inner)


def parse(type: str, query: Query, catalogue: Catalogue = SHIPPED) -> Search:
    """Read a query. Raises BadParameter for what is unknown or malformed, naming what would be understood."""
    if type not in definitions.RESOURCE_TYPES:
        raise BadParameter(type, "is not a resource type of R4")
    conditions: list[Condition] = []
    results: dict[str, list[tuple[str, str]]] = {name: [] for name in RESULT}
    for name, value in query:
        base = name.partition(":")[0]
        if base in results:
            if base != name and base not in ("_include", "_revinclude"):
                raise BadParameter(name, "takes no modifier")
            results[base].append((name, value))
        else:
            conditions.append(condition(type, name, name, value, catalogue))
    return Search(
        type,
        tuple(conditions),
        tuple(_sort(type, _once("_sort", results), catalogue)),
        _count(_once("_count", results)),
        _total(_once("_total", results)),
        tuple(_include(*pair, catalogue) for pair in results["_include"]),
        tuple(_include(*pair, catalogue) for pair in results["_revinclude"]),
        _once("_cursor", results) or None,
    )


def named_types(query: Query) -> tuple[list[str] | None, Query]:
    """The types that `_type` names (None: it is not there), and the rest of the query. Raises BadParameter."""
    given = [value for name, value in query if name == "_type"]
    if len(given) > 1:
        raise BadParameter("_type", "is given more than once")
    types = given[0].split(",") if given else None
    for type in types or ():
        if type not in definitions.RESOURCE_TYPES:
            raise BadParameter("_type", f"{type!r} is not a resource type of R4")
    return list(dict.fromkeys(types)) if types else None, [pair for pair in query if pair[0] != "_type"]


def parameters(type: str, catalogue: Catalogue = SHIPPED) -> Mapping[str, Parameter]:
    """Every parameter that a search of this type understands, by code."""
    found: Mapping[str, Parameter] | None = catalogue.parsed.get(type)
    if found is None:
        found = catalogue.parsed[type] = dict(_parameters(type, catalogue))
    return found


def _parameters(type: str, catalogue: Catalogue) -> Iterator[tuple[str, Parameter]]:
    known = catalogue.definitions(type)
    kinds = {p["url"]: p["type"] for p in known.values()}
    for code, definition in known.items():
        kind = definition["type"]
        if code in SPECIAL:
            yield code, Parameter(type, code, SPECIAL[code], ())
            continue
        if "expression" not in definition or (kind not in INDEXED and kind != "composite"):
            continue
        components = tuple(
            (f"{code}${n}", kinds[c["definition"]]) for n, c in enumerate(definition.get("component", ()), 1)
        )
        yield code, Parameter(type, code, kind, tuple(definition.get("target", ())), components)


def known(type: str, code: str, written: str, catalogue: Catalogue) -> Parameter:
    """A parameter by its code. Raises BadParameter."""
    found = parameters(type, catalogue).get(code)
    if code == "_list":  # R4 defines it nowhere but in its text
        return Parameter(type, code, SPECIAL[code], ())
    if found is None:
        raise BadParameter(
            written,
            f"{code!r} is not a search parameter of {type}",
            [*parameters(type, catalogue), *RESULT, "_has", "_list"],
        )
    return found


def condition(
    type: str, name: str, written: str, value: str, catalogue: Catalogue = SHIPPED, depth: int = 0
) -> Condition:
    """One parameter: plain, chained (`subject:Patient.name`) or reversed (`_has:Observation:patient:code`)."""
    if depth > DEEPEST:
        raise BadParameter(written, f"has more than {DEEPEST} links")
    if name.startswith("_has:"):
        return _has(type, name, written, value, catalogue, depth)
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    parameter = known(type, code, written, catalogue)
    if dot:
        return _chain(parameter, modifier, rest, written, value, catalogue, depth)
    allowed = MODIFIERS[parameter.kind]
    if modifier and modifier not in allowed and modifier not in parameter.targets:
        targets = parameter.targets if len(parameter.targets) < 20 else ("a resource type",)
        raise BadParameter(written, f"has no modifier :{modifier}", [*allowed, *targets])
    if code in HEAD_PARAMETERS and modifier not in ("", "not"):
        raise BadParameter(written, f"has no modifier :{modifier}", ["not"] if code == "_id" else [])
    if parameter.kind == "filter":
        return Reader(value, lambda path, text: condition(type, path, "_filter", text, catalogue, depth + 1)).read()
    values = (value,) if parameter.kind == "words" else tuple(split(value, ","))
    if any(v == "" for v in values):
        raise BadParameter(written, "has no value")
    if parameter.kind in ("words", "position", "list") and modifier != "missing":
        return Special(written, parameter, modifier, values)
    return Criterion(written, parameter, modifier, values)


def _chain(
    parameter: Parameter, modifier: str, rest: str, written: str, value: str, catalogue: Catalogue, depth: int
) -> Chain:
    if parameter.kind != "reference":
        raise BadParameter(written, f"{parameter.code!r} is a {parameter.kind} and cannot be followed")
    if modifier and modifier not in parameter.targets:
        raise BadParameter(written, f"{parameter.code!r} does not lead to {modifier}", parameter.targets)
    code = re.split(r"[.:]", rest, maxsplit=1)[0]
    targets = [modifier] if modifier else list(parameter.targets)
    meant = [t for t in targets if rest.startswith("_has:") or code in parameters(t, catalogue)]
    if not meant:
        choices = {c for t in targets for c in parameters(t, catalogue)}
        raise BadParameter(written, f"{code!r} is not a search parameter of {' or '.join(targets[:5])}", choices)
    return Chain(parameter, tuple((t, condition(t, rest, written, value, catalogue, depth + 1)) for t in meant))


def _has(type: str, name: str, written: str, value: str, catalogue: Catalogue, depth: int) -> Has:
    parts = name.split(":", 3)
    if len(parts) < 4 or parts[1] not in definitions.RESOURCE_TYPES:
        raise BadParameter(written, "is written _has:Type:reference:parameter, as in _has:Observation:patient:code")
    parameter = known(parts[1], parts[2], written, catalogue)
    if parameter.kind != "reference" or type not in parameter.targets:
        leading = [p.code for p in parameters(parts[1], catalogue).values() if type in p.targets]
        raise BadParameter(written, f"{parts[2]!r} of {parts[1]} does not lead to {type}", leading)
    return Has(parameter, condition(parts[1], parts[3], written, value, catalogue, depth + 1))


def split(text: str, sign: str) -> list[str]:
    """Split at `sign` where it is not escaped; the backslashes stay for `unescaped`."""
    if "\\" not in text:
        return text.split(sign)
    parts, escaped = [""], False
    for character in text:
        if character == sign and not escaped:
            parts.append("")
        else:
            parts[-1] += character
        escaped = character == "\\" and not escaped
    return parts


def unescaped(text: str) -> str:
    """`a\\,b` → `a,b` (https://hl7.org/fhir/R4/search.html#escaping)."""
    return re.sub(r"\\([\\,|$])", r"\1", text) if "\\" in text else text


def _once(name: str, results: Mapping[str, list[tuple[str, str]]]) -> str:
    given = results[name]
    if len(given) > 1:
        raise BadParameter(name, "is given more than once")
    return given[0][1] if given else ""


def _sort(type: str, text: str, catalogue: Catalogue) -> Iterator[tuple[Parameter, bool]]:
    for item in text.split(",") if text else ():
        parameter = known(type, item.removeprefix("-"), "_sort", catalogue)
        if parameter.kind in UNSORTED:
            raise BadParameter("_sort", f"{parameter.code} has no order")
        yield parameter, item.startswith("-")


def _count(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise BadParameter("_count", f"{text!r} is not a whole number")
    return int(text)


def _total(text: str) -> Any:
    if text not in ("", "none", "estimate", "accurate"):
        raise BadParameter("_total", f"{text!r} is not a way to count", ("none", "estimate", "accurate"))
    return text or "none"


def _include(name: str, value: str, catalogue: Catalogue) -> Include:
    modifier = name.partition(":")[2]
    if modifier not in ("", "iterate", "recurse"):
        raise BadParameter(name, f"has no modifier :{modifier}", ("iterate",))
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if source == "*" and not rest:
        return Include("*", None, None, bool(modifier))
    if source not in definitions.RESOURCE_TYPES:
        raise BadParameter(
            name, f"{source!r} is not a resource type; it is written Type:parameter or Type:parameter:Type"
        )
    if target and target not in definitions.RESOURCE_TYPES:
        raise BadParameter(name, f"{target!r} is not a resource type")
    if code == "*":
        return Include(source, None, target or None, bool(modifier))
    parameter = parameters(source, catalogue).get(code)
    if parameter is None or parameter.kind != "reference":
        references = [p.code for p in parameters(source, catalogue).values() if p.kind == "reference"]
        raise BadParameter(name, f"{code!r} is not a reference parameter of {source}", [*references, "*"])
    return Include(source, parameter, target or None, bool(modifier))
