"""The roles and what each may do: roles.yaml."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml

from profiles.definitions import RESOURCE_TYPES


class Role(NamedTuple):
    """A row of roles.yaml. `fhir` maps a resource type or `*` to letters of `crudstp`."""

    name: str
    text: dict[str, str]
    fhir: dict[str, str]
    areas: frozenset[str]

    def may(self, letter: str, resource_type: str) -> bool:
        """Whether the role has the right `letter` (one of `crudstp`) on a resource type."""
        allowed = self.fhir.get(resource_type)
        return letter in (self.fhir["*"] if allowed is None else allowed)


@cache
def roles() -> dict[str, Role]:
    """All roles by name."""
    rows = yaml.safe_load(files(__package__).joinpath("roles.yaml").read_text("utf-8"))
    return {
        name: Role(name, {"en": row["en"], "id": row["id"]}, row["fhir"], frozenset(row["areas"]))
        for name, row in rows.items()
    }


def role(name: str) -> Role:
    """One role. Raises ValueError that names the roles there are."""
    found = roles().get(name)
    if found is None:
        raise ValueError(f"unknown role {name!r}; the roles are {', '.join(roles())}")
    return found


@cache
def searchable(name: str) -> frozenset[str] | None:
    """The resource types that a role may search, None for all."""
    seen = frozenset(kind for kind in RESOURCE_TYPES if role(name).may("s", kind))
    return None if len(seen) == len(RESOURCE_TYPES) else seen
