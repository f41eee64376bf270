"""The compiled functions of types and profiles: loaded one at a time, the reporting twins only after a refusal."""

import hashlib
from collections.abc import Callable, Container, Mapping
from typing import Any

from profiles.definitions import Definitions
from profiles.tables import NO_TABLES, CodeTables
from profiles.validator import base
from profiles.validator.codes import Codes
from profiles.validator.context import Context
from profiles.validator.fast import MEMORIES
from profiles.validator.runtime import NAMESPACE
from profiles.validator.units import Units
from profiles.validator.wording import Message

Fast = Callable[[Any, Context], bool]
Report = Callable[[Any, str, Context], None]
Stands = Callable[[Any, str, Context], bool]
"""Whether nothing is to be said of an extension of an element at a path."""


class Engine:
    """Functions by type name or profile url, made from `definitions` and kept by `units`.

    `wordings`: what to say for the conditions that profiles state, by their keys. `noted`: the extensions of which the
    fast pass takes note, unless `stands` finds nothing to say of them. `lenient`: a narrative of plain text is a doubt,
    no error. `codes`: the site's own code tables.
    """

    def __init__(
        self,
        definitions: Definitions,
        units: Units,
        wordings: Mapping[str, Message],
        noted: Container[str],
        stands: Stands,
        lenient: bool,
        codes: CodeTables = NO_TABLES,
    ) -> None:
        self.definitions, self._units, self.wordings, self.noted = definitions, units, wordings, noted
        self._stands, self.lenient = stands, lenient
        self.codes = Codes(definitions, codes)
        self._fasts: dict[str, Fast] = {}
        self._reports: dict[str, Report] = {}
        self._loaded: dict[tuple[str, bool], Any] = {}
        self._profile_types: dict[str, str] = {}
        self._data_types: dict[bool, dict[str, Any]] = {}

    def fast(self, name: str) -> Fast:
        """The yes/no function of a resource or data type; KeyError for an unknown one."""
        try:
            return self._fasts[name]
        except KeyError:
            found: Fast = self._type(name, reports=False)
            self._fasts[name] = found
            return found

    def report(self, name: str) -> Report:
        """Its reporting twin."""
        try:
            return self._reports[name]
        except KeyError:
            found: Report = self._type(name, reports=True)
            self._reports[name] = found
            return found

    def profile_type(self, url: str) -> str | None:
        """The type that a profile constrains; None for an unknown profile."""
        try:
            return self._profile_types[url]
        except KeyError:
            definition = self.definitions.structure(url) if ":" in url else None
        if definition is None:
            return None
        found: str = definition["type"]
        self._profile_types[url] = found
        return found

    def profile_fast(self, url: str) -> Fast | None:
        """The yes/no function of a profile, for what it asks beyond R4; None for a type of R4 itself."""
        found: Fast | None = self._profile(url, reports=False)
        return found

    def profile_report(self, url: str) -> Report | None:
        """Its reporting twin."""
        found: Report | None = self._profile(url, reports=True)
        return found

    def _type(self, name: str, reports: bool) -> Any:
        types, own = self.data_types(reports), f"{'r' if reports else 'f'}_{name}"
        if own not in types:
            unit = f"{name}.report" if reports else name
            source = lambda: base.resource_source(self.definitions, name, reports)  # noqa: E731
            types = self._units.run(unit, source, dict(types))
        return types[own]

    def _profile(self, url: str, reports: bool) -> Any:
        if (url, reports) not in self._loaded:
            definition = self.definitions.structure(url)
            found = None
            if definition is not None and definition.get("derivation") == "constraint":
                from profiles.validator.profile import profile_source

                unit = f"profile-{hashlib.sha256(url.encode()).hexdigest()[:16]}{'.report' if reports else ''}"
                source = lambda: profile_source(self.definitions, definition, reports)  # noqa: E731
                found = self._units.run(unit, source, dict(NAMESPACE))["r_profile" if reports else "f_profile"]
            self._loaded[url, reports] = found
        return self._loaded[url, reports]

    def data_types(self, reports: bool) -> dict[str, Any]:
        """The namespace that holds the functions of all data types."""
        found = self._data_types.get(reports)
        if found is None:
            unit = "types.report" if reports else "types"
            found = {**NAMESPACE, "KNOWN_EXTENSIONS": self.noted, "stands": self._stands}
            found |= {each.name: {} for each in MEMORIES.values()}
            self._units.run(unit, lambda: base.data_types_source(self.definitions, reports), found)
            self._data_types[reports] = found
        return found
