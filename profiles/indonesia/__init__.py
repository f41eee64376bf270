"""The Indonesian profiles, extensions, code systems and value sets, as FHIR resources.

`resources()` is what a `profiles.Validator` is given. The ministry publishes clones of the base resources and no usable
constraint profiles, so these are the project's own, under the canonical names that the ministry uses.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import json

FOLDER = Path(__file__).parent
BASE = "https://fhir.kemkes.go.id/r4/StructureDefinition/"
"""The ministry's canonical base: `BASE + "Patient"` is the profile of Patient."""


def resources() -> Iterator[dict[str, Any]]:
    """Every StructureDefinition, CodeSystem and ValueSet, each decoded anew."""
    for folder in ("extensions", "profiles", "codesystems", "valuesets"):
        for path in sorted((FOLDER / folder).glob("*.json")):
            yield json.decode(path.read_bytes())


@cache
def profile_of(resource_type: str) -> str | None:
    """The canonical url of the profile that a resource of this type is held to; None where there is none."""
    return BASE + resource_type if (FOLDER / "profiles" / f"{resource_type}.json").exists() else None


@cache
def messages() -> dict[str, dict[str, str]]:
    """Constraint key → what it says in `id` and `en`."""
    found: dict[str, dict[str, str]] = json.decode((FOLDER / "messages.json").read_bytes())
    return found


@cache
def code_system(url: str) -> dict[str, Any] | None:
    """A code system of the ministry or the BPJS by its url; None where it is not one of these."""
    path = _code_system_files().get(url)
    return json.decode(path.read_bytes()) if path is not None else None


@cache
def _code_system_files() -> dict[str, Path]:
    return {json.decode(path.read_bytes())["url"]: path for path in (FOLDER / "codesystems").glob("*.json")}
