"""The index rows of a resource and of what it contains. Each contained resource has a key of its own, and references to
it lead there, so that chains are followed into it and searches that ask for it find it.

Source: https://hl7.org/fhir/R4/search.html#contained
"""

from dataclasses import dataclass

from profiles.fhirjson import Resource

from .catalogue import Catalogue
from .emit import INSIDE
from .facilities import Place
from .index import SearchIndex
from .keys import Keys
from .model import Connection
from .rows import CONTAINED, Batch, Row

TARGET_TYPE, TARGET_ID = 2, 3
"""Where a row of `reference_index` holds its target."""


@dataclass(frozen=True, slots=True)
class Indexer:
    """Makes the rows of one facility's resources."""

    place: Place
    index: SearchIndex
    catalogue: Catalogue
    keys: Keys

    async def add(self, resource: Resource, id: str, key: str, batch: Batch, connection: Connection) -> None:
        """Add the rows of the resource with this id and key."""
        place, number, type = self.place, str(self.place.number), resource["resourceType"]
        plan = await self.index.plan(type, self.catalogue)
        found = {key: plan.extract(resource, place.zone, place.bases)}
        if "contained" in resource:
            targets = {"#": (type, type, id)}
            for one in resource["contained"]:
                own = str(await self.keys.draw(connection))
                plan = await self.index.plan(one["resourceType"], self.catalogue)
                found[own] = plan.extract(one, place.zone, place.bases, alone=False)
                if "id" in one:
                    batch.rows[CONTAINED].append((own, number, key, one["resourceType"], one["id"]))
                    targets[f"#{one['id']}"] = (one["resourceType"], INSIDE, own)
            for rows in found.values():
                led = (_led(row, targets) for row in rows.get("reference_index", ()))
                rows["reference_index"] = [row for row in led if row is not None]
        batch.index += [(whose, number, rows) for whose, rows in found.items()]


def _led(row: Row, targets: dict[str, tuple[str, str, str]]) -> Row | None:
    """The row of a reference, to a key where it leads inside; None where it leads nowhere, or to another type."""
    kind = str(row[TARGET_TYPE])
    if not kind.startswith(INSIDE):
        return row
    type, *target = targets.get(str(row[TARGET_ID]), ("", "", ""))
    return (*row[:TARGET_TYPE], *target) if type and kind in (INSIDE, INSIDE + type) else None
