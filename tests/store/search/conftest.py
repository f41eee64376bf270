"""The hospital in a store."""

import pytest

from gateway.store import Change, Store
from tests.store.search.hospital import HERE, HOSPITAL, THERE


@pytest.fixture
async def hospital(store: Store) -> Store:
    """The store with HOSPITAL written to one facility, and a namesake in the other."""
    await store.write(HERE, [Change.update(r, r["id"]) for r in HOSPITAL])
    await store.write(THERE, [Change.update({**HOSPITAL[0], "name": [{"text": "Budi Lain"}]}, "budi-lain")])
    return store
