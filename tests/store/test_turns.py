"""Writers of one process at one resource take turns."""

import asyncio
from collections.abc import Sequence

from gateway.store import Change, Store
from gateway.store.turns import Name, Turns
from profiles import fhirjson

HERE = "rs-melati"
A, B = (1, "Patient", "a"), (1, "Patient", "b")


class Acts:
    """Acts that hold resources until they are told to end."""

    def __init__(self) -> None:
        self.turns, self.said = Turns(), list[str]()
        self.ends: dict[str, asyncio.Event] = {}

    def begin(self, name: str, names: Sequence[Name]) -> "asyncio.Task[None]":
        self.ends[name] = asyncio.Event()
        return asyncio.create_task(self._act(name, names))

    async def _act(self, name: str, names: Sequence[Name]) -> None:
        async with self.turns.of(names):
            self.said.append(name)
            await self.ends[name].wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_they_come_in_the_order_in_which_they_asked() -> None:
    acts = Acts()
    tasks = [acts.begin(name, [A]) for name in "123"]
    elsewhere = acts.begin("elsewhere", [B])
    await settle()
    assert acts.said == ["1", "elsewhere"]
    for name in "123":
        acts.ends[name].set()
        await settle()
    assert acts.said == ["1", "elsewhere", "2", "3"]
    acts.ends["elsewhere"].set()
    await asyncio.gather(*tasks, elsewhere)


async def test_two_that_want_the_same_in_another_order_do_not_wait_for_each_other() -> None:
    acts = Acts()
    tasks = [acts.begin("1", [A, B]), acts.begin("2", [B, A])]
    for end in acts.ends.values():
        end.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    assert acts.said == ["1", "2"]


async def test_who_gives_up_while_waiting_holds_up_nobody() -> None:
    acts = Acts()
    tasks = [acts.begin(name, [A]) for name in "123"]
    await settle()
    tasks[1].cancel()
    for end in acts.ends.values():
        end.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert acts.said == ["1", "3"]


async def test_every_one_of_many_concurrent_updates_makes_a_version(store: Store) -> None:
    async def update(n: int) -> None:
        await store.write(HERE, [Change.update({"resourceType": "Patient", "name": [{"text": f"N{n}"}]}, "satu")])

    await asyncio.gather(*map(update, range(40)))
    versions = (await store.history(HERE, "Patient", "satu", count=100)).matches
    assert [version.version for version in versions] == list(range(40, 0, -1))
    assert {fhirjson.decode(v.content)["name"][0]["text"] for v in versions} == {f"N{n}" for n in range(40)}
