"""What each server is asked. A request is written once, about the person `SAMPLE`; the driver exchanges the number."""

import json
from typing import Any
from urllib.parse import quote

from samples import SAMPLE, VISITS, observation, searches, visits

MIXED = ("read",) * 6 + ("search by identifier",) * 2 + ("search with include", "create")
"""Of ten requests."""

Requests = dict[str, list[bytes]]
"""Server → what it is asked in turn; a server that lacks the interaction is left out."""


def http(method: str, path: str, key: str = "", body: Any = None) -> bytes:
    """The bytes of one request."""
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    kind = "content-type: application/fhir+json\r\n" if content else ""
    who = f"authorization: Bearer {key}\r\n" if key else ""
    head = f"{method} {path} HTTP/1.1\r\nhost: bench\r\n{who}{kind}content-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def scenarios(key: str) -> dict[str, Requests]:
    """Name → what each server is asked; those that only look come first, for the others let the store grow."""
    found: dict[str, Requests] = {}

    def all_of(name: str, method: str, path: str, body: Any = None, lacks: tuple[str, ...] = ()) -> None:
        asked = {
            "gapura": http(method, f"/fhir{path}", key, body),
            "bare": http(method, path, key, body),
            "fhirstarter": http(method, path, body=body),
            "medplum": http(method, path, body=body),
        }
        found[name] = {server: [request] for server, request in asked.items() if server not in lacks}

    all_of("read", "GET", f"/Patient/p{SAMPLE}")
    for name, address in searches(SAMPLE).items():
        all_of(name, "GET", f"/{address}", lacks=("fhirstarter",) if "_include" in address else ())
        found[name]["bare"] = [http("GET", f"/search/{quote(name)}?n={SAMPLE}", key)]
    all_of("create", "POST", "/Observation", observation(SAMPLE))
    all_of("create, delivered", "POST", "/Observation", observation(SAMPLE), ("fhirstarter", "medplum"))
    found["create, delivered"]["gapura"] = [http("POST", "/sending/fhir/Observation", key, observation(SAMPLE))]
    for count in VISITS:
        name, body = f"transaction of {count * 10}", visits(SAMPLE, count)
        all_of(name, "POST", "/", body, ("fhirstarter",))
        found[name]["bare"] = [http("POST", f"/visits/{count}", key, body)]
    everyone = set.intersection(*(set(found[name]) for name in MIXED))
    found["mixed"] = {server: [found[name][server][0] for name in MIXED] for server in sorted(everyone)}
    return found
