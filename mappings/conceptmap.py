"""FHIR ConceptMap (R4) as a dictionary: source coding → target code. Source: https://hl7.org/fhir/R4/conceptmap.html."""

from pathlib import Path
from typing import Any

from mappings.errors import MappingError
from profiles import fhirjson

_NO_TARGET = frozenset({"unmatched", "disjoint"})


class ConceptMap:
    """Codes of one ConceptMap. `url` names it; a code without system is looked up in every group."""

    def __init__(self, path: Path) -> None:
        try:
            resource = fhirjson.decode(path.read_bytes())
        except (OSError, fhirjson.FhirJsonError) as error:
            raise MappingError(f"no readable ConceptMap: {error}", path.name) from None
        if resource.get("resourceType") != "ConceptMap":
            raise MappingError(f"expected a ConceptMap, found {resource.get('resourceType')!r}", path.name)
        self.url: str = resource.get("url", path.stem)
        self._targets: dict[tuple[str | None, str], str] = {}
        self._unmapped: dict[str | None, tuple[str, str | None]] = {}
        for group in resource.get("group", ()):
            self._add(group, path)

    def _add(self, group: dict[str, Any], path: Path) -> None:
        system = group.get("source")
        for element in group.get("element", ()):
            targets = [t for t in element.get("target", ()) if t.get("equivalence") not in _NO_TARGET and "code" in t]
            if len(targets) > 1:
                raise MappingError(f"{element['code']!r} has {len(targets)} targets; one can be sent", path.name)
            for target in targets:
                self._targets[system, element["code"]] = target["code"]
                self._targets.setdefault((None, element["code"]), target["code"])
        if unmapped := group.get("unmapped"):
            if unmapped.get("mode") not in ("provided", "fixed"):
                raise MappingError(f"unmapped.mode {unmapped.get('mode')!r}; valid are fixed, provided", path.name)
            self._unmapped[system] = (unmapped["mode"], unmapped.get("code"))

    def translate(self, system: str | None, code: str) -> str | None:
        """The target code, or None where the map does not know this one."""
        found = self._targets.get((system, code))
        if found is None and system in self._unmapped:
            mode, fixed = self._unmapped[system]
            return code if mode == "provided" else fixed
        return found
