"""Where profiles come from: definitions, files, folders, packages, and the set that is shipped.

Source: https://hl7.org/fhir/packages.html (layout of a package .tgz)
"""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from profiles.fhirjson import FhirJsonError, decode

Json = dict[str, Any]

INDONESIA = "indonesia"
"""Names the shipped Indonesian profiles, which also apply to every resource of their types."""

KINDS = frozenset({"StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter", "Questionnaire"})
"""The resources of a package that matter to validation; others are left out."""

Given = str | Path | Json
"""A conformance resource, `INDONESIA`, or the path of a JSON file, a folder of them, or a package (.tgz)."""


def load(given: Iterable[Given]) -> Iterator[Json]:
    """The conformance resources of all that is given, later ones overriding earlier ones of the same url.

    Raises FileNotFoundError, and ValueError naming the file that is no FHIR JSON or no package.
    """
    for item in given:
        if isinstance(item, dict):
            yield item
        elif item == INDONESIA:
            from profiles import indonesia

            yield from indonesia.resources()
        else:
            yield from _read(Path(item))


def _read(path: Path) -> Iterator[Json]:
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            yield from _resource(file.read_bytes(), str(file))
    elif path.suffix in (".tgz", ".gz"):
        yield from _package(path)
    else:
        yield from _resource(path.read_bytes(), str(path))


def _package(path: Path) -> Iterator[Json]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name
                if not name.startswith("package/") or not name.endswith(".json") or "/." in name:
                    continue
                file = archive.extractfile(member)
                if file is not None:
                    yield from _resource(file.read(), f"{path}:{name}")
    except tarfile.TarError as error:
        raise ValueError(f"{path} is no package: {error}") from None


def _resource(raw: bytes, name: str) -> Iterator[Json]:
    try:
        found = decode(raw)
    except FhirJsonError as error:
        raise ValueError(f"{name}: {error}") from None
    if found.get("resourceType") == "Bundle":
        inner = (entry.get("resource", {}) for entry in found.get("entry", ()))
        yield from (resource for resource in inner if resource.get("resourceType") in KINDS and "url" in resource)
    elif found.get("resourceType") in KINDS and "url" in found:
        yield found
