"""What a conformance report is made from: plain data, handed over by whoever holds it. Instants are aware datetimes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One version of a resource as it came in, and what the validator said of it.

    `issues` have `severity`, `rule`, `path` and their text in `id` and `en`; `valid` is None where nobody judged the
    version (the gateway wrote it).
    """

    reference: str
    version: int
    at: datetime
    method: str
    valid: bool | None = None
    issues: Sequence[Mapping[str, str]] = ()
    profiles: Sequence[str] = ()
    rules: Sequence[str] = ()
    microseconds: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a destination: its evidence by number and SHA-256, never its content.

    `ended` is None where no answer was recorded; `failure` says why none came.
    """

    evidence: int
    method: str
    url: str
    started: datetime
    ended: datetime | None
    status: int | None
    failure: str | None
    sent_sha256: str
    reply_sha256: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a visit: `state` as the outbox has it, `reason` by language (`id`, `en`) where it waits."""

    number: int
    destination: str
    operation: str
    source: str
    source_version: int
    state: str
    planned: datetime
    finished: datetime | None
    reason: Mapping[str, str] | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    requests: Sequence[Request] = ()


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit with everything that happened to it. `patient` is the hospital's own record number or reference."""

    reference: str
    patient: str
    kind: str
    status: str
    start: datetime | None
    received: Sequence[Received]
    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Period:
    """Of whom and when; both days belong to it. `zone` is an IANA name, `zone_label` what is printed (WIB, …)."""

    facility: str
    name: str
    first: date
    last: date
    zone: str = "Asia/Jakarta"
    zone_label: str = "WIB"
