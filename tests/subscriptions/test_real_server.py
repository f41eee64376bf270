"""A server of its own over real HTTP, killed in the middle: every event arrives, in order."""

from pathlib import Path

import httpx

from tests.fhir.support import create, patient
from tests.subscriptions.support import Receiver, by_topic, subscribe, until
from tests.support.process import served

QUICK = {"GAPURA_LEASE_S": "1"}


async def test_a_killed_server_loses_no_event(home: Path, receiver: Receiver) -> None:
    async with served(home, **QUICK) as first:
        key = first.key
        async with _client(first.url, key) as client:
            await subscribe(client, by_topic(receiver.url, "Patient", "id-only", max_count=1))
            made = [(await create(client, patient(f"RM-{n}")))["id"] for n in range(20)]
        first.process.kill()
        await first.process.wait()
    async with served(home, key=key, **QUICK) as second, _client(second.url, key) as client:
        made.append((await create(client, patient("RM-20")))["id"])

        async def told() -> bool:
            return receiver.numbers()[-1:] == [21]

        await until(told, 60)
    numbers = receiver.numbers()
    assert sorted(set(numbers)) == list(range(1, 22))
    assert numbers == sorted(numbers), "in order, though one may come twice"
    events = [event for one in receiver.of("event-notification") for event in one.status["events"]]
    focuses = {int(event["event-number"]): event["focus"].rpartition("/")[2] for event in events}
    assert [focuses[number] for number in sorted(focuses)] == made


def _client(url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{url}/fhir", headers={"Authorization": f"Bearer {key}"})
