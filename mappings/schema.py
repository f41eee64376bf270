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
    """Written as Python, for it runs on every product: a line for each property, what is absent as a whole at once."""
    known: dict[str, Any] = {}
    lines = ["def fill(product):", "    made = {}"]
    for n, (name, sub) in enumerate(schema.get("properties", {}).items()):
        inner = _filler(sub) if "properties" in sub else None
        lines.append(f"    if {name!r} in product:")
        if inner:
            known[f"fill{n}"] = inner
            lines.append(f"        value = product[{name!r}]")
            lines.append(f"        made[{name!r}] = fill{n}(value) if isinstance(value, dict) else value")
        else:
            lines.append(f"        made[{name!r}] = product[{name!r}]")
        if inner and name in schema.get("required", ()):
            lines.append(f"    else: made[{name!r}] = {inner({})!r}")
        elif "default" in sub:
            lines.append(f"    else: made[{name!r}] = {inner(sub['default']) if inner else sub['default']!r}")
    lines += ["    if len(made) < len(product) or not product.keys() <= made.keys():"]
    lines += ["        made |= {name: value for name, value in product.items() if name not in made}", "    return made"]
    exec(compile("\n".join(lines), "<schema>", "exec"), known)  # noqa: S102 - names and defaults stand in as literals
    made: Fill = known["fill"]
    return made
