"""The index rows of a resource and of what it contains. Each contained resource has a key of its own, and references to
it lead there, so that chains are followed into it and searches that ask for it find it.

Source: https://hl7.org/fhir/R4/search.html#contained
"""

from dataclasses import dataclass

from profiles.fhirjson import Resource

from .catalogue import Catalogue
from .emit import INSIDE, Rows
from .facilities import Place
from .index import SearchIndex
from .keys import Keys
from .model import Connection
from .rows import CONTAINED

TARGET_TYPE, TARGET_ID = 4, 5
"""Where a row of `reference_index` holds its target."""


@dataclass(frozen=True, slots=True)
class Indexer:
    """Makes the rows of one facility's resources."""

    place: Place
    index: SearchIndex
    catalogue: Catalogue
    keys: Keys

    async def add(self, resource: Resource, id: str, key: int, rows: Rows, connection: Connection) -> None:
        """Add the rows of the resource with this id and key."""
        place, type = self.place, resource["resourceType"]
        first = len(rows["reference_index"])
        plan = await self.index.plan(type, self.catalogue)
        plan.extract(resource, key, place.number, place.zone, rows, place.bases)
        if "contained" not in resource:
            return
        targets = {"#": (type, type, id)}
        for one in resource["contained"]:
            own = await self.keys.draw(connection)
            plan = await self.index.plan(one["resourceType"], self.catalogue)
            plan.extract(one, own, place.number, place.zone, rows, place.bases, alone=False)
            if "id" in one:
                rows[CONTAINED].append((own, place.number, key, one["resourceType"], one["id"]))
                targets[f"#{one['id']}"] = (one["resourceType"], INSIDE, str(own))
        found = rows["reference_index"][first:]
        rows["reference_index"][first:] = [led for row in found if (led := _led(row, targets)) is not None]


def _led(row: tuple[object, ...], targets: dict[str, tuple[str, str, str]]) -> tuple[object, ...] | None:
    """The row of a reference, to a key where it leads inside; None where it leads nowhere, or to another type."""
    kind = str(row[TARGET_TYPE])
    if not kind.startswith(INSIDE):
        return row
    type, *target = targets.get(str(row[TARGET_ID]), ("", "", ""))
    return (*row[:TARGET_TYPE], *target) if type and kind in (INSIDE, INSIDE + type) else None
