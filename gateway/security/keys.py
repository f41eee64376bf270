"""API keys: made once, shown once, kept as hashes, looked up with every request.

A key reads `gapura_<id>_<secret>`; the id names it in lists and in the audit trail, the secret has 256 random bits.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from gateway.errors import FhirError
from gateway.security.roles import Role, role

TRUST_S = 2.0
"""How long an answer of the database about a key is believed: a revoked key opens nothing after this time."""
MOST_REMEMBERED = 10_000

CHALLENGE = ((b"www-authenticate", b'Bearer realm="gapura"'),)

FIND = """
SELECT id, role, facility, label FROM api_key
WHERE hash = $1 AND revoked IS NULL AND (expires IS NULL OR expires > now())"""
INSERT = """
INSERT INTO api_key (id, hash, role, facility, label, expires) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id"""
LIST = "SELECT id, role, facility, label, created, expires, revoked FROM api_key ORDER BY created, id"
REVOKE = "UPDATE api_key SET revoked = coalesce(revoked, now()) WHERE id = $1 RETURNING id"
ANY = "SELECT 1 AS found FROM api_key LIMIT 1"


class Database(Protocol):
    """What keys need of a database: rows of a statement (asyncpg's connection, or the store)."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        """Run and return the rows."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `facility` is the slug of the one facility it may enter, None: every one."""

    key: str
    label: str
    role: Role
    facility: str | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as the operator sees it."""

    id: str
    role: str
    facility: str | None
    label: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    @property
    def state(self) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and self.expires <= datetime.now(UTC) else "valid"


def digest(key: str | bytes) -> bytes:
    """What the database keeps of a key."""
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()


async def create(
    database: Database, role_name: str, facility: str | None, label: str = "", expires: datetime | None = None
) -> str:
    """Make a key and return it; nobody can show it again. Raises ValueError for an unknown role."""
    name = role(role_name).name
    identity = secrets.token_hex(4)
    key = f"gapura_{identity}_{secrets.token_urlsafe(32)}"
    await database.fetch(INSERT, identity, digest(key), name, facility, label, expires)
    return key


async def listed(database: Database) -> list[KeyRow]:
    """Every key there ever was, oldest first."""
    return [KeyRow(**dict(row)) for row in await database.fetch(LIST)]


async def revoke(database: Database, identity: str) -> bool:
    """Make a key worthless; False where there is no such key. Revoking twice changes nothing."""
    return bool(await database.fetch(REVOKE, identity))


async def exists(database: Database) -> bool:
    """Whether any key was ever made: if not, this is the first start."""
    return bool(await database.fetch(ANY))


class KeyRing:
    """Answers who a key belongs to, asking the database at most every `TRUST_S` seconds for the same key."""

    def __init__(self, connection: Callable[[], AbstractAsyncContextManager[Database]]) -> None:
        self._connection = connection
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def known(self, authorization: bytes | None) -> Principal | None:
        """The holder of an Authorization header that was looked up a moment ago, or None."""
        found = self._known.get(authorization) if authorization is not None else None
        return found[1] if found is not None and found[0] > time.monotonic() else None

    async def who(self, authorization: bytes | None) -> Principal:
        """The holder of an Authorization header. Raises FhirError GF-601 (none) or GF-602 (not valid)."""
        if authorization is None:
            raise FhirError("GF-601", headers=CHALLENGE)
        scheme, _, key = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not key:
            raise FhirError("GF-601", headers=CHALLENGE)
        async with self._connection() as connection:
            rows = await connection.fetch(FIND, digest(key.strip()))
        if not rows:
            self._known.pop(authorization, None)
            raise FhirError("GF-602", headers=CHALLENGE)
        row = rows[0]
        principal = Principal(row["id"], row["label"], role(row["role"]), row["facility"])
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[authorization] = (time.monotonic() + TRUST_S, principal)
        return principal
