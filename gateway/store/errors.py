"""What the store may say: the FHIR room turns each class into one HTTP status and one OperationOutcome."""

from collections.abc import Iterable


class StoreError(Exception):
    """Anything the store refuses or cannot do. Nothing was written."""


class NotFound(StoreError):
    """There never was such a resource or version (404)."""


class Gone(StoreError):
    """The resource was deleted (410). `version` is the number of the deletion."""

    def __init__(self, reference: str, version: int) -> None:
        super().__init__(f"{reference} was deleted (version {version})")
        self.version = version


class VersionConflict(StoreError):
    """The expected version is not the current one (412 with If-Match), or another writer won the race (409)."""

    def __init__(self, reference: str, expected: int | None, current: int | None) -> None:
        super().__init__(f"{reference} is at version {current or 'none'}, not {expected or 'none'}")
        self.reference, self.expected, self.current = reference, expected, current


class PreconditionFailed(StoreError):
    """What the write asks cannot be done as asked: it changes one resource twice (412)."""


class BadParameter(StoreError):
    """A search parameter is unknown or malformed (400). `valid` names what would be understood, where that is a set."""

    def __init__(self, parameter: str, problem: str, valid: Iterable[str] = ()) -> None:
        self.parameter, self.problem, self.valid = parameter, problem, tuple(sorted(valid))
        known = f"; known here: {', '.join(self.valid)}" if self.valid else ""
        super().__init__(f"{parameter}: {problem}{known}")


class OutOfSight(StoreError):
    """A search names a resource type that its asker may not search (403)."""

    def __init__(self, type: str) -> None:
        super().__init__(f"{type} may not be searched")
        self.type = type


class UnknownFacility(StoreError):
    """No facility has this slug (404)."""


class StoreUnavailable(StoreError):
    """The database cannot be reached, or went away before it confirmed (503). Retry is safe for reads and for updates
    with an expected version."""


class StoreFull(StoreUnavailable):
    """The disk or a quota of the database is exhausted (507). Nothing of the write was kept."""


class SchemaMismatch(StoreError):
    """The database's schema is not the one of this version: run `gapura db migrate`."""
