"""The compiled functions of types: loaded one resource type at a time, the reporting twins only after a refusal."""

from collections.abc import Callable
from typing import Any

from profiles.definitions import Definitions
from profiles.validator import base
from profiles.validator.runtime import NAMESPACE, Context
from profiles.validator.units import Units

Fast = Callable[[Any, Context], bool]
Report = Callable[[Any, str, Context], None]


class Engine:
    """Functions by type name, made from `definitions` and kept by `units`."""

    def __init__(self, definitions: Definitions, units: Units) -> None:
        self._definitions, self._units = definitions, units
        self._fast: dict[str, Fast] = {}
        self._report: dict[str, Report] = {}
        self._data_types: dict[bool, dict[str, Any]] = {}

    def fast(self, name: str) -> Fast:
        """The yes/no function of a resource or data type; KeyError for an unknown one."""
        found = self._fast.get(name)
        if found is None:
            found = self._fast[name] = self._load(name, reports=False)[f"f_{name}"]
        return found

    def report(self, name: str) -> Report:
        """Its reporting twin."""
        found = self._report.get(name)
        if found is None:
            found = self._report[name] = self._load(name, reports=True)[f"r_{name}"]
        return found

    def _load(self, name: str, reports: bool) -> dict[str, Any]:
        types = self.data_types(reports)
        if f"{'r' if reports else 'f'}_{name}" in types:
            return types
        unit = f"{name}.report" if reports else name
        return self._units.run(unit, lambda: base.resource_source(self._definitions, name, reports), dict(types))

    def data_types(self, reports: bool) -> dict[str, Any]:
        """The namespace that holds the functions of all data types."""
        found = self._data_types.get(reports)
        if found is None:
            unit = "types.report" if reports else "types"
            found = {**NAMESPACE, "KNOWN_EXTENSIONS": self._definitions.extensions()}
            self._units.run(unit, lambda: base.data_types_source(self._definitions, reports), found)
            self._data_types[reports] = found
        return found
