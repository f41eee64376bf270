"""The store: resources, their versions and their search index in PostgreSQL.

The request path speaks asyncpg; `schema` describes the tables for the migrations. Everything a caller needs is here.
"""

from .errors import (
    BadParameter,
    Gone,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
    SchemaMismatch,
    StoreError,
    StoreFull,
    StoreUnavailable,
    UnknownFacility,
    VersionConflict,
)
from .model import NEW, Also, Audits, Change, Connection, Judgement, Method, Page, Query, Remote, Version

__all__ = [
    "NEW",
    "Also",
    "Audits",
    "BadParameter",
    "Change",
    "Connection",
    "Gone",
    "Judgement",
    "Method",
    "MultipleMatches",
    "NotFound",
    "Page",
    "PreconditionFailed",
    "Query",
    "Remote",
    "SchemaMismatch",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "UnknownFacility",
    "Version",
    "VersionConflict",
]
