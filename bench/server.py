"""A running `gapura serve` against bare Starlette + asyncpg routes that do the same SQL, in the same run.

    python bench/server.py [--resources N] [--seconds S] [--rounds N] [--clients N] [--only NAME…] [--json]

Both servers run in processes of their own on one database; this process asks. Turns alternate, so that what else the
machine does meets both; the median turn counts. `--resources 10000 100000` measures anew after each growth of the
store. Every turn is bounded in time and in requests. Budgets: read ≥ 0.7 of bare, create ≥ 0.6 of bare.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import uvloop
from samples import bundle, number, observation, searches, seed

MOST_REQUESTS = 20_000
"""Of one turn."""
SETTLE_S = 2.5
"""After a turn of Gapura's, until its journal of reads is in the database: the bare server is not to wait for that."""
SEED = 40
"""Persons in one transaction of the growth: five resources each."""
FACILITIES = """
- {slug: default, name: Bench, organization_id: "10000004", kode_faskes: 0301R011}
- {slug: sending, name: Bench, organization_id: "10000005", kode_faskes: 0301R012,
   satusehat: {client_id: bench, client_secret: bench}}
"""

Asked = Callable[[int], bytes]
"""Turns the number of a person into the bytes of a request."""


@dataclass
class Turn:
    """What one turn saw: milliseconds of each answer, seconds of the whole."""

    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    refused: bytes = b""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds


class Client(asyncio.Protocol):
    """One keep-alive connection that asks again as soon as it is answered."""

    def __init__(self, turn: Turn, ask: Callable[[], bytes | None]) -> None:
        self._turn, self._ask = turn, ask
        self._seen, self._left, self._began = b"", -1, 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._seen += data
            head, found, rest = self._seen.partition(b"\r\n\r\n")
            if not found:
                return
            at = head.lower().index(b"content-length:")
            self._left = int(head[at + 15 :].split(b"\r\n", 1)[0]) - len(rest)
            if self._seen[9:10] != b"2":
                self._turn.refused = self._seen
        else:
            self._left -= len(data)
        if self._left == 0:
            self._turn.waits.append((time.perf_counter() - self._began) * 1000)
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server hung up"))

    def _next(self) -> None:
        self._seen, self._left = b"", -1
        request = None if self._turn.refused else self._ask()
        if request is None:
            self.done.set_result(None)
            self._transport.close()
        else:
            self._began = time.perf_counter()
            self._transport.write(request)


async def turn(port: int, asked: Asked, clients: int, seconds: float, persons: int, most: int = MOST_REQUESTS) -> Turn:
    """Ask for `seconds`, from `clients` connections, about persons by chance."""
    chance, seen, left = Random(1), Turn(), most
    end = time.perf_counter() + seconds

    def ask() -> bytes | None:
        nonlocal left
        left -= 1
        return asked(chance.randrange(persons)) if left >= 0 and time.perf_counter() < end else None

    began, loop = time.perf_counter(), asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: Client(seen, ask), "127.0.0.1", port))[1] for _ in range(clients)]
    await asyncio.gather(*(client.done for client in made))
    seen.seconds = time.perf_counter() - began
    if seen.refused:
        raise SystemExit(seen.refused.decode("utf-8", "replace"))
    return seen


def http(method: str, path: str, key: str, body: Any = None) -> bytes:
    """The bytes of one request."""
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    kind = "content-type: application/fhir+json\r\n" if content else ""
    head = f"{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n{kind}"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


def scenarios(key: str) -> dict[str, tuple[Asked, Asked | None]]:
    """Name → (what Gapura is asked, what the bare server is asked)."""
    found: dict[str, tuple[Asked, Asked | None]] = {}

    def both(name: str, ours: Callable[[str], bytes], bare: Callable[[str], bytes] | None) -> None:
        found[name] = (lambda n: ours(number(n))), ((lambda n: bare(number(n))) if bare else None)

    both("read", lambda n: http("GET", f"/fhir/Patient/p{n}", key), lambda n: http("GET", f"/Patient/p{n}", key))
    for name in searches(""):

        def address(n: str, name: str = name) -> bytes:
            return http("GET", f"/fhir/{searches(n)[name]}", key)

        def plain(n: str, name: str = name) -> bytes:
            return http("GET", f"/search/{name.replace(' ', '%20')}?n={n}", key)

        both(name, address, plain)

    def create(n: str) -> bytes:
        return http("POST", "/Observation", key, observation(n))

    both("create", lambda n: http("POST", "/fhir/Observation", key, observation(n)), create)
    both("create, delivered", lambda n: http("POST", "/sending/fhir/Observation", key, observation(n)), create)
    both(
        "transaction of 10",
        lambda n: http("POST", "/fhir", key, bundle(n)),
        lambda n: http("POST", "/", key, bundle(n)),
    )
    mix = ["read"] * 6 + ["search by identifier"] * 2 + ["search with include", "create"]
    found["mixed"] = (lambda n: found[mix[n % 10]][0](n)), None
    return found


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ready(port: int, process: subprocess.Popen[bytes], log: Path) -> float:
    """Wait until the server accepts connections; the seconds that took."""
    began = time.perf_counter()
    while time.perf_counter() - began < 60 and process.poll() is None:
        with socket.socket() as found:
            if found.connect_ex(("127.0.0.1", port)) == 0:
                return time.perf_counter() - began
        time.sleep(0.01)
    raise SystemExit(log.read_text())


def memory(pid: int) -> int:
    """MB of a process in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024  # type: ignore[index]


def shares(turns: list[Turn]) -> dict[str, float]:
    """Rate of the median turn, percentiles of all."""
    waits = sorted(wait for each in turns for wait in each.waits)
    at = {f"p{p}_ms": round(waits[min(len(waits) - 1, len(waits) * p // 100)], 2) for p in (50, 95, 99)}
    return {"per_s": round(statistics.median(each.rate for each in turns), 1), **at}


async def grow(port: int, key: str, there: int, persons: int) -> float:
    """Write the persons `there` to `persons`; resources a second."""
    starts = iter(range(there, persons, SEED))

    def next_bundle(_: int) -> bytes:
        start = next(starts)
        return http("POST", "/fhir", key, seed(start, min(start + SEED, persons)))

    bundles = -(-(persons - there) // SEED)
    seen = await turn(port, next_bundle, 4, 3600, persons, bundles)
    return (persons - there) * 5 / seen.seconds


async def measure(args: argparse.Namespace, ours: int, bare: int, key: str, persons: int) -> dict[str, Any]:
    """Every chosen scenario, turn about."""
    results: dict[str, Any] = {}
    for name, (asked, plain) in scenarios(key).items():
        if args.only and name not in args.only:
            continue
        turns: tuple[list[Turn], list[Turn]] = [], []
        for n in range(-1, args.rounds):
            seconds = args.seconds if n >= 0 else 0.3
            mine = await turn(ours, asked, args.clients, seconds, persons)
            if n >= 0:
                await asyncio.sleep(SETTLE_S)
            theirs = await turn(bare, plain, args.clients, seconds, persons) if plain else None
            if n >= 0:
                turns[0].append(mine)
                turns[1].extend([theirs] if theirs else [])
        row: dict[str, Any] = {"gapura": shares(turns[0])}
        if plain:
            row["bare"] = shares(turns[1])
            row["ratio"] = round(statistics.median(a.rate / b.rate for a, b in zip(*turns, strict=True)), 2)
        results[name] = row
        if not args.json:
            show(name, row)
    return results


def show(name: str, row: dict[str, Any]) -> None:
    """One line."""
    mine = row["gapura"]
    waits = "  ".join(f"p{p} {mine[f'p{p}_ms']:6.2f}" for p in (50, 95, 99))
    beside = f"   bare {row['bare']['per_s']:8.0f}/s   ratio {row['ratio']:.2f}" if "bare" in row else ""
    print(f"{name:22} {mine['per_s']:8.0f}/s  {waits} ms{beside}", flush=True)


async def first_answers(port: int, key: str) -> list[float]:
    """Milliseconds of the first visit after a start, and of the next."""
    return [
        (await turn(port, lambda n: http("POST", "/fhir", key, bundle(number(n))), 1, 30, 1000, 1)).waits[0]
        for _ in "12"
    ]


def main() -> int:
    """Start both servers, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", type=int, nargs="+", default=[10_000], help="in the store when it is measured")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server")
    parser.add_argument("--clients", type=int, default=8, help="connections at once")
    parser.add_argument("--only", nargs="+", help="names of scenarios", choices=list(scenarios("")))
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    result: dict[str, Any] = {"clients": args.clients}
    with ExitStack() as opened:
        home = Path(opened.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        (home / "facilities.yaml").write_text(FACILITIES)
        settings = {"GAPURA_HOME": str(home), "GAPURA_FACILITIES_FILE": str(home / "facilities.yaml")}
        settings["GAPURA_DELIVER"] = "false"
        ours, other, log = free_port(), free_port(), home / "serve.log"
        serve = [sys.executable, "-m", "gateway.cli", "serve", "--port", str(ours)]
        with running(serve, settings, log) as process:
            ready(ours, process, log)
        key = re.search(r"gapura_\w+[\w-]*", log.read_text())[0]  # type: ignore[index]
        process = opened.enter_context(running(serve, settings, log))
        result["ready_s"] = round(ready(ours, process, log), 2)
        result["idle_mb"] = memory(process.pid)
        result["first_visit_ms"], result["second_visit_ms"] = map(round, uvloop.run(first_answers(ours, key)))
        if not args.json:
            print(" ".join(f"{name} {value}" for name, value in result.items()), flush=True)
        there, result["stores"] = 0, {}
        for resources in args.resources:
            persons = max(resources // 5, there + 1, 50)
            rate = uvloop.run(grow(ours, key, there, persons))
            there = persons
            with ExitStack() as beside:
                command = [sys.executable, str(Path(__file__).with_name("bare.py"))]
                plain = beside.enter_context(running(command, {**settings, "PORT": str(other)}, home / "bare.log"))
                ready(other, plain, home / "bare.log")
                if not args.json:
                    print(
                        f"--- {resources} resources, written in Bundles of {SEED * 5}: {rate:.0f} resources/s",
                        flush=True,
                    )
                rows = uvloop.run(measure(args, ours, other, key, persons))
            result["stores"][resources] = {"import_per_s": round(rate), **rows}
        result["busy_mb"] = memory(process.pid)
    print(json.dumps(result) if args.json else f"memory after it all: {result['busy_mb']} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
