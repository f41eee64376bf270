"""The store: resources, their versions and their search index in PostgreSQL.

The request path speaks asyncpg; `schema` describes the tables for the migrations. Everything a caller needs is here.
"""

from .errors import (
    BadParameter,
    Gone,
    NotFound,
    OutOfSight,
    PreconditionFailed,
    SchemaMismatch,
    StoreError,
    StoreFull,
    StoreUnavailable,
    UnknownFacility,
    VersionConflict,
)
from .model import (
    NEW,
    Also,
    Audits,
    Change,
    Connection,
    Contained,
    Insertion,
    Judged,
    Judgement,
    Method,
    Page,
    Query,
    Remote,
    Version,
    When,
)
from .reindex import Progress
from .selection import ANYONE, Selection, Snapshot
from .store import Store
from .transaction import Transaction
from .write import new_id

__all__ = [
    "ANYONE",
    "NEW",
    "Also",
    "Audits",
    "BadParameter",
    "Change",
    "Connection",
    "Contained",
    "Gone",
    "Insertion",
    "Judged",
    "Judgement",
    "Method",
    "NotFound",
    "OutOfSight",
    "Page",
    "PreconditionFailed",
    "Progress",
    "Query",
    "Remote",
    "SchemaMismatch",
    "Selection",
    "Snapshot",
    "Store",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "Transaction",
    "UnknownFacility",
    "Version",
    "VersionConflict",
    "When",
    "new_id",
]
