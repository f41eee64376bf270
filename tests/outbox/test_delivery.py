"""Deliveries to the simulated destinations over real HTTP: what arrives there, once, and what comes home."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.sandbox import facilities_yaml
from gateway.outbox import delivering, plan
from gateway.sandbox import Sandbox, running_sandbox
from gateway.settings import Settings
from gateway.store import Change, Store
from profiles import fhirjson
from tests.outbox import hospital
from tests.outbox.support import rows, until


@dataclass
class Hospital:
    """A gateway's store with both accounts at the sandbox, and no worker until `deliver()`."""

    store: Store
    settings: Settings
    sandbox: Sandbox

    async def write(self, *resources: hospital.Resource) -> None:
        also = plan(self.settings.facilities[0])
        await self.store.write("default", [Change.update(r, r["id"]) for r in resources], also=also)

    async def rows(self) -> dict[str, dict[str, Any]]:
        """The newest row of each operation and step."""
        return {f"{row['operation']}:{row['step']}": row for row in await rows(self.store)}

    async def read(self, kind: str, identity: str) -> hospital.Resource:
        return fhirjson.decode((await self.store.read("default", kind, identity)).content)

    async def settled(self) -> bool:
        async with self.store.connection() as connection:
            wishes = await connection.fetchval("SELECT count(*) FROM outbox_wish")
        found = await rows(self.store)
        blocked = {(r["destination"], r["visit"]) for r in found if r["state"] in ("held", "parked")}
        moving = [r for r in found if r["state"] in ("due", "leased")]
        waiting = [r for r in moving if (r["destination"], r["visit"]) not in blocked]
        return bool(found) and not wishes and not waiting

    async def deliver(self, condition: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Work until nothing moves any more, or until `condition` holds."""
        async with delivering(self.store, self.settings):
            await until(condition or self.settled, 20.0)

    @property
    def sent(self) -> dict[str, Any]:
        return self.sandbox.state.shown()

    def encounters(self) -> list[dict[str, Any]]:
        return list(self.sent["resources"].get("Encounter", []))


@pytest.fixture
async def here(home: Path, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hospital]:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(running_sandbox())
        accounts = tmp_path / "facilities.yaml"
        accounts.write_text(facilities_yaml(sandbox))
        async with store.connection() as connection:
            await connection.execute("TRUNCATE resource, resource_version, crosswalk, reference_index, token_index")
        yield Hospital(store, Settings(home=home, facilities_file=accounts), sandbox)


async def test_an_outpatient_visit_gets_its_sep_and_goes_to_satusehat(here: Hospital) -> None:
    await here.write(*hospital.base(), hospital.encounter(finished=True), hospital.condition(), hospital.observation())
    await here.write(hospital.wish())
    await here.deliver()
    assert {what: (row["state"], row["reason"]) for what, row in (await here.rows()).items()} == {
        "vclaim/sep-insert:insert": ("done", None),
        "satusehat/visit:encounter": ("done", None),
        "satusehat/visit:clinical": ("done", None),
        "satusehat/visit:close": ("done", None),
    }
