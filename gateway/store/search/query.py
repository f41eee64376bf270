"""A search as it was understood: what is asked of which parameters, in which order, with what beside it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..cursor import BACK
from ..extract import HEAD_PARAMETERS

AS_WRITTEN = frozenset({"Identifier", "code", "id", "boolean", "uri", "url", "canonical"})
"""Types whose tokens are compared to the letter."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type."""

    type: str
    code: str
    kind: str
    targets: tuple[str, ...]
    components: tuple[tuple[str, str], ...] = ()
    """Of a composite: (derived code, kind) of each component."""
    types: frozenset[str] = frozenset()
    """The FHIR types of its values, where the definitions tell."""
    media: bool = False
    """Whether its values are media types, `:below` of which needs no system."""

    @property
    def as_written(self) -> bool:
        """A token whose case counts, whatever its system."""
        return bool(self.types) and self.types <= AS_WRITTEN


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
    contained: Literal["false", "true", "both"] = "false"
    containers: bool = False
    """What contains a contained resource that was found is shown in its place."""

    @property
    def backwards(self) -> bool:
        """The page before a row is asked for, not the one behind it."""
        return self.cursor is not None and self.cursor.startswith(BACK)

    @property
    def only(self) -> Condition | None:
        """The only condition of a search in the order of writing."""
        return self.conditions[0] if len(self.conditions) == 1 and not self.sort else None

    @property
    def ordered(self) -> Criterion | None:
        """The only condition, where its index rows lie in the order of the pages: one equality."""
        only = self.only
        if not isinstance(only, Criterion) or only.modifier or len(only.values) != 1:
            return None
        [value] = only.values
        cased = value != value.lower() and "|" not in value and not only.parameter.as_written
        named = "/" in value or len(only.parameter.targets) == 1
        whole = {"token": not value.endswith("|") and not cased, "reference": named, "uri": True}
        return only if only.parameter.code not in HEAD_PARAMETERS and whole.get(only.parameter.kind) else None

    def types(self) -> Iterator[str]:
        """Every type whose parameters the search names."""
        yield self.type
        for condition in self.conditions:
            yield from _types(condition)
        yield from (i.source for i in (*self.includes, *self.revincludes) if i.parameter)


def chained(conditions: Iterable[Condition]) -> bool:
    """Whether any of the conditions leads to other resources."""
    return any(
        isinstance(condition, Chain | Has) or (isinstance(condition, Combined) and chained(condition.of))
        for condition in conditions
    )


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
    if isinstance(condition, Criterion):
        if condition.parameter.kind == "reference" and condition.modifier in ("above", "below"):
            yield from condition.parameter.targets
    elif isinstance(condition, Special):
        if condition.parameter.kind == "list":
            yield "List"
    elif isinstance(condition, Has):
        yield from _types(condition.of)
    elif isinstance(condition, Chain):
        for target, inner in condition.of:
            yield target
            yield from _types(inner)


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
