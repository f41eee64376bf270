"""A running `gapura serve` beside bare Starlette + asyncpg routes that do the same SQL, and beside fhirstarter and
Medplum's in-memory router for the interactions they have; all in the same run.

    python bench/server.py [--resources N…] [--only NAME…] [--seconds S] [--rounds N] [--clients N] [--home DIR]
    python bench/server.py --home DIR --resources N --fill

Every server is a process of its own; this process asks. Turns alternate, so that what else the machine does meets
all; the median turn counts, and the ratio is the median of the rounds' ratios. `CPU` is what an answer costs the
server's process and PostgreSQL in µs, whoever else is at work. `--resources 10000 100000` measures anew after each
growth of the store. `--home` keeps the store for the next run, `--fill` only fills it. The peers hold everything in
memory without PostgreSQL and are left out of stores of more than 10 000 resources. Budgets: docs/performance.md.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from os import environ
from pathlib import Path
from typing import Any

import uvloop
from load import Turn, shares, turn
from samples import SAMPLE, visits
from scenarios import Requests, http, scenarios
from servers import HERE, Home, Server, cpu_s

from gateway.store.embedded import EmbeddedServer
from gateway.store.pool import connect

SETTLE_S = 2.5
"""After a turn of Gapura's, until its journal of reads is in the database: nobody else is to pay for that."""
PEERS_HOLD = 10_000
FILLERS = 2
LINE = "{:20} {:12} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7}"


def fill(home: Home, persons: int) -> float:
    """Write the missing persons, in several processes; resources a second."""
    first, began = home.persons, time.perf_counter()
    bounds = [first + (persons - first) * n // FILLERS for n in range(FILLERS + 1)]
    command = [sys.executable, str(HERE / "fill.py")]
    with home.gapura():  # who keeps the database running
        writing = [
            subprocess.Popen([*command, str(a), str(b)], env={**environ, **home.settings}) for a, b in pairwise(bounds)
        ]
        if any(process.wait() for process in writing):
            raise SystemExit("the store could not be filled")
        taken = time.perf_counter() - began
        uvloop.run(_settled(home))
    home.keep(persons)
    return (persons - first) * 5 / taken


async def _settled(home: Home) -> None:
    connection = await connect(EmbeddedServer(home.folder).url)
    await connection.execute("vacuum analyze")
    await connection.execute("checkpoint")
    await connection.close()


async def measure(home: Home, servers: Sequence[Server], args: argparse.Namespace) -> dict[str, Any]:
    """Every chosen scenario, turn about."""
    results: dict[str, Any] = {}
    for name, requests in scenarios(home.key).items():
        if args.only and name not in args.only:
            continue
        asked = [server for server in servers if server.name in requests]
        turns: dict[str, list[Turn]] = {server.name: [] for server in asked}
        for n in range(-1, args.rounds):
            for server in asked:
                seen = await _turn(home, server, requests, args.seconds if n >= 0 else 0.5, args.clients)
                if n >= 0:
                    turns[server.name].append(seen)
        results[name] = {name: shares(seen) for name, seen in turns.items()}
        pairs = zip(turns["gapura"], turns.get("bare", ()), strict=False)
        if ratios := [ours.rate / bare.rate for ours, bare in pairs]:
            results[name]["ratio"] = round(statistics.median(ratios), 2)
        if not args.json:
            show(name, results[name])
    return results


async def _turn(home: Home, server: Server, requests: Requests, seconds: float, clients: int) -> Turn:
    before = cpu_s([server.process]), cpu_s(home.database())
    seen = await turn(server.port, requests[server.name], clients, seconds, home.persons)
    if server.name == "gapura":
        await asyncio.sleep(SETTLE_S)
    after = cpu_s([server.process]), cpu_s(home.database())
    for name, was, now in zip(("server", "database"), before, after, strict=True):
        seen.cpu[name] = sum(s - was.get(pid, 0) for pid, s in now.items()) / len(seen.waits) * 1e6
    return seen


def show(name: str, row: dict[str, Any]) -> None:
    """A line for each server."""
    for server in (s for s in row if s != "ratio"):
        seen, ratio = row[server], row.get("ratio", "") if server == "gapura" else ""
        waits = [f"{seen[f'p{p}_ms']:.2f}" for p in (50, 95, 99)]
        print(
            LINE.format(name, server, f"{seen['per_s']:.0f}/s", *waits, seen["server_us"], seen["database_us"], ratio)
        )
        name = ""
    sys.stdout.flush()


async def first_answers(server: Server, key: str) -> list[int]:
    """Milliseconds of the first visit after a start, and of the next."""
    request = http("POST", "/fhir", key, visits(SAMPLE, 1))
    return [round((await turn(server.port, [request], 1, 30, 1000, 1)).waits[0]) for _ in "12"]


def started(home: Home, resources: int, running: ExitStack, missing: list[str]) -> list[Server]:
    """Gapura, the bare server and the peers that there are; of the others `missing` says why not."""
    servers = [running.enter_context(home.gapura()), running.enter_context(home.bare())]
    if resources > PEERS_HOLD:
        missing.append(f"peers hold no more than {PEERS_HOLD} resources")
        return servers
    for peer in (home.fhirstarter, home.medplum):
        try:
            servers.append(running.enter_context(peer()))
        except (OSError, SystemExit) as why:
            missing.append(f"{peer.__name__}: {str(why).splitlines()[-1]}")
    return servers


def store(home: Home, resources: int, args: argparse.Namespace) -> dict[str, Any]:
    """Fill the store up to so many resources, then measure."""
    result: dict[str, Any] = {}
    if (persons := resources // 5) > home.persons:
        result["filled_per_s"] = round(fill(home, persons))
    if args.fill:
        return result
    missing: list[str] = []
    with ExitStack() as running:
        servers = started(home, resources, running, missing)
        ours = servers[0]
        result |= {"ready_s": round(ours.ready_s, 2), "idle_mb": ours.megabytes, "without": missing}
        result["first_visits_ms"] = uvloop.run(first_answers(ours, home.key))
        if not args.json:
            print(f"\n{resources} resources:", *(f"{name} {value};" for name, value in result.items()))
            print(LINE.format("", "", "answers", "p50 ms", "p95", "p99", "CPU µs", "database", "of bare"), flush=True)
        result |= uvloop.run(measure(home, servers, args))
        result["busy_mb"] = ours.megabytes
    return result


def main() -> int:
    """Fill, start, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", type=int, nargs="+", default=[10_000], help="in the store when it is measured")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server")
    parser.add_argument("--clients", type=int, default=8, help="connections at once")
    parser.add_argument("--only", nargs="+", help="names of scenarios", choices=list(scenarios("")))
    parser.add_argument("--home", type=Path, help="keep the store in this folder")
    parser.add_argument("--fill", action="store_true", help="only fill the store")
    parser.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        home = Home(args.home.absolute() if args.home else Path(temporary))
        stores = {resources: store(home, resources, args) for resources in args.resources}
    print(json.dumps({"clients": args.clients, "stores": stores}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
