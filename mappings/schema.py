"""The JSON Schema of a target: fills its defaults in, and says what is wrong with a product. Compiled once.

Beside the standard keywords a property may say what it expects in both languages: `x-id` and `x-en`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema_rs
import msgspec

from mappings.errors import MappingError, Reason

Fill: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


class Schema:
    """One JSON Schema file (draft 2020-12, no references to other files)."""

    def __init__(self, path: Path) -> None:
        try:
            self._schema: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            self._validator = jsonschema_rs.validator_for(self._schema)
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise MappingError(f"no usable JSON Schema: {error}", path.name) from None
        self._fill = _filler(self._schema)

    def fill(self, product: dict[str, Any]) -> dict[str, Any]:
        """A copy with every absent property that has a `default`, in the order of the schema."""
        return self._fill(product)

    def check(self, product: dict[str, Any]) -> list[Reason]:
        """Everything that is wrong, one Reason each; `path` has dots, as in `t_sep.rujukan.noRujukan`."""
        if self._validator.is_valid(product):
            return []
        return [self._reason(error) for error in self._validator.iter_errors(product)]

    def _reason(self, error: jsonschema_rs.ValidationError) -> Reason:
        path, rule = ".".join(map(str, error.instance_path)), error.schema_path
        expected = self._at([str(step) for step in rule[:-1]])
        value = None if isinstance(error.instance, dict | list) else str(error.instance)
        shown = "" if value is None else f" ({value!r})"
        en, id_ = expected.get("x-en"), expected.get("x-id")
        return Reason(
            f"schema:{rule[-1]}",
            path,
            f"{path}{shown}: {id_ or error.message}",
            f"{path}{shown}: {en or error.message}",
            value,
        )

    def _at(self, steps: list[str]) -> dict[str, Any]:
        place: Any = self._schema
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place.get(step, {})
        return place if isinstance(place, dict) else {}


def _filler(schema: dict[str, Any]) -> Fill:
    rows: list[tuple[str, Any, Fill | None]] = []
    for name, sub in schema.get("properties", {}).items():
        inner = _filler(sub) if "properties" in sub else None
        default = {} if inner and name in schema.get("required", ()) else sub.get("default", _ABSENT)
        rows.append((name, default, inner))
    names = frozenset(name for name, _, _ in rows)

    def fill(product: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, default, inner in rows:
            value = product.get(name, default)
            if value is _ABSENT:
                continue
            made[name] = inner(value) if inner and isinstance(value, dict) else value
        return made | {name: value for name, value in product.items() if name not in names}

    return fill


_ABSENT: Any = object()
