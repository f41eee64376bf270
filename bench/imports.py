"""`$import` of NDJSON into a running `gapura serve`: resources a second from the request to the end of the job.

    python bench/imports.py [--persons N] [--rounds N]

A person is ten resources: a Patient, an Encounter, eight Observations. `CPU` is what a resource costs the server's
process and PostgreSQL in µs. Budgets: docs/performance.md.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import httpx
from samples import encounter, number, observation, patient
from servers import Home, Server, cpu_s

NDJSON = {"content-type": "application/fhir+ndjson", "prefer": "respond-async"}
SETTLE_S = 5.0
"""After a start, until its warm-up is done."""


def lines(persons: int) -> bytes:
    """What is imported."""
    rows = []
    for name in map(number, range(persons)):
        subject = f"Patient/p{name}"
        rows += [{**patient(name), "id": f"p{name}"}, encounter(name, subject), *[observation(name) for _ in range(8)]]
    return b"\n".join(json.dumps(row, separators=(",", ":")).encode() for row in rows)


def imported(client: httpx.Client, body: bytes) -> float:
    """Seconds that it took. Raises SystemExit where it was refused."""
    began = time.perf_counter()
    answer = client.post("/$import", content=body, headers=NDJSON)
    where = answer.headers.get("content-location", "")
    while answer.status_code == 202:
        time.sleep(0.05)
        answer = client.get(where)
    if answer.status_code != 200 or answer.json()["error"]:
        raise SystemExit(answer.text)
    return time.perf_counter() - began


def measure(home: Home, server: Server, persons: int) -> str:
    """One line about one import."""
    body, count = lines(persons), persons * 10
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.port}/fhir", headers={"authorization": f"Bearer {home.key}"}, timeout=60
    ) as client:
        before = cpu_s([server.process]), cpu_s(home.database())
        seconds = imported(client, body)
        after = cpu_s([server.process]), cpu_s(home.database())
    spent = [sum(s - b.get(pid, 0) for pid, s in a.items()) for b, a in zip(before, after, strict=True)]
    ours, database = (round(used / count * 1e6) for used in spent)
    return f"{count / seconds:6.0f} resources/s; CPU {ours} µs, PostgreSQL {database} µs; {server.megabytes} MB"


def main() -> int:
    """Start, import, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=2000, help="in one import")
    parser.add_argument("--rounds", type=int, default=2, help="imports; all but the first update the Patients")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        home = Home(Path(temporary))
        with home.gapura() as server:
            time.sleep(SETTLE_S)
            for _ in range(args.rounds):
                print(measure(home, server, args.persons), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
