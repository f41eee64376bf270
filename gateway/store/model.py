"""What goes into the store and what comes out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from profiles import fhirjson
from profiles.fhirjson import Resource

if TYPE_CHECKING:
    from asyncpg import Connection as _Connection
    from asyncpg import Record

    from .forms import Filled

    Connection = _Connection[Record]
else:
    Connection = object

Method = Literal["POST", "PUT", "PATCH", "DELETE"]
Query = Sequence[tuple[str, str]]
"""Search parameters as decoded from the URL, in their order: `[("name", "budi"), ("_count", "20")]`."""

NEW = 0
"""As `Change.expected`: the resource must not exist yet."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the validator said of one version, kept for the reports.

    `issues` are JSON-ready dicts; `profiles` and `rules` name what was checked, whether or not it was broken.
    """

    issues: Sequence[Mapping[str, Any]] = ()
    profiles: Sequence[str] = ()
    rules: Sequence[str] = ()
    microseconds: int = 0

    @property
    def valid(self) -> bool:
        """No issue of severity `error` or `fatal`."""
        return not any(issue.get("severity") in ("error", "fatal") for issue in self.issues)


@dataclass(frozen=True, slots=True)
class Change:
    """One resource to be written. The store puts `id` and `meta.versionId/lastUpdated` into a copy of `resource`.

    `expected` is the version that must be current: None accepts any, `NEW` demands that the id is not in use.
    """

    method: Method
    type: str
    id: str
    resource: Resource | None = None
    expected: int | None = None
    judgement: Judgement | None = None

    @classmethod
    def create(cls, resource: Resource, id: str, *, judgement: Judgement | None = None) -> "Change":
        """Store a new resource under an id that its writer chose (`new_id()`)."""
        return cls("POST", resource["resourceType"], id, resource, NEW, judgement)

    @classmethod
    def update(
        cls,
        resource: Resource,
        id: str,
        *,
        expected: int | None = None,
        method: Method = "PUT",
        judgement: Judgement | None = None,
    ) -> "Change":
        """Store the next version, or the first where the id is new and `expected` is None."""
        return cls(method, resource["resourceType"], id, resource, expected, judgement)

    @classmethod
    def delete(cls, type: str, id: str, *, expected: int | None = None) -> "Change":
        """Record a deletion. Deleting what is deleted or never was is not an error and yields no version."""
        return cls("DELETE", type, id, None, expected)

    @property
    def reference(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"


@dataclass(slots=True, unsafe_hash=True)
class Version:
    """One version of one resource. `content` is the exact JSON answered to every reader; empty for a deletion.

    Nobody changes one: it is not frozen because that takes four times as long to make, and a page has twenty.
    """

    facility: str
    type: str
    id: str
    version: int
    last_updated: datetime
    method: Method
    content: bytes = field(repr=False)
    revives: bool = field(default=False, kw_only=True)
    """It follows a deletion; known of what is written, not of what is read."""

    @property
    def reference(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"

    @property
    def deleted(self) -> bool:
        """This version is a deletion."""
        return self.method == "DELETE"

    @property
    def created(self) -> bool:
        """This version made the resource, or made it again after a deletion."""
        return self.version == 1 or self.revives


class When(NamedTuple):
    """Which versions of a history are meant: written from `since` to `until`, and `standing` after this instant."""

    since: datetime | None = None
    until: datetime | None = None
    standing: datetime | None = None


ALWAYS = When()


@dataclass(slots=True, unsafe_hash=True)
class Contained(Version):
    """A resource within another: version and instant are those of `container` (`Type/id`), `content` is its own."""

    container: str

    @classmethod
    def of(cls, version: Version, part: str) -> "Contained":
        """The one with the id `part` in what a version contains."""
        inside = fhirjson.decode(version.content)["contained"]
        found = next(resource for resource in inside if resource.get("id") == part)
        kind, content = found["resourceType"], fhirjson.encode(found)
        number, at, method = version.version, version.last_updated, version.method
        return cls(version.facility, kind, part, number, at, method, content, version.reference)

    @property
    def reference(self) -> str:
        """`Type/id#part`."""
        return f"{self.container}#{self.id}"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search or history, in order. `next` is the cursor of the page after this one, None at the end;
    `previous`, of a search, that of the page before, None at the beginning.

    `total` is None unless it was asked for.
    """

    matches: Sequence[Version] = ()
    included: Sequence[Version] = ()
    next: str | None = None
    total: int | None = None
    warnings: Sequence[str] = ()
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One version (`reference` is `Type/id`) and what the validator said of it when it was written."""

    reference: str
    version: int
    at: datetime
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a local resource lives at a destination. `local` and `remote` are `Type/id`."""

    local: str
    remote: str


Audits = Callable[[Sequence[Version]], Sequence["Resource | Filled"]]
"""Given the versions about to be committed, the AuditEvent resources that go into the same transaction."""

Also = Callable[[Connection, Sequence[Version]], Awaitable[None]]
"""Work of another room in the same transaction: it is handed the connection and the versions about to be committed.
What several writes of one commit want done by the same object is done once for all their versions."""


@dataclass(frozen=True, slots=True, eq=False)
class Insertion:
    """An `Also` that only inserts: then the write's own statement does it.

    `sql(first)` is the statement whose parameters begin with the number `first`; `values` are those parameters, none
    where there is nothing to insert.
    """

    sql: Callable[[int], str]
    values: Callable[[Sequence[Version]], Sequence[Any]]

    async def __call__(self, connection: Connection, versions: Sequence[Version]) -> None:
        """Insert by a statement of its own."""
        if values := self.values(versions):
            await connection.execute(self.sql(1), *values)
