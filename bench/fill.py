"""Fills a store with persons, each with four observations, by the store's own code: extraction and COPY, no validator.

python bench/fill.py FIRST LAST        (with GAPURA_HOME; persons FIRST up to LAST)
"""

import sys

import uvloop
from samples import person

from gateway.settings import load
from gateway.store import Change, Store, new_id

AT_ONCE = 100
"""Persons of one transaction."""


async def fill(first: int, last: int) -> None:
    """Write the persons `first` up to `last`."""
    settings = load()
    store = await Store.open(settings)
    try:
        for start in range(first, last, AT_ONCE):
            resources = [r for n in range(start, min(start + AT_ONCE, last)) for r in person(n)]
            changes = [Change.create(resource, resource.get("id") or new_id()) for resource in resources]
            await store.write(settings.facilities[0].slug, changes)
    finally:
        await store.close()


if __name__ == "__main__":
    uvloop.run(fill(int(sys.argv[1]), int(sys.argv[2])))
