"""Where a gateway keeps the code tables that its operator has loaded: for all facilities, or for one."""

from pathlib import Path

from profiles.tables import CodeTables

FOLDER = "terminology"


def folder(home: Path, facility: str | None = None) -> Path:
    """The folder of the tables for all facilities, or of those that are one's own."""
    return home / FOLDER if facility is None else home / FOLDER / facility


def tables(home: Path, facility: str) -> CodeTables:
    """What counts at a facility: its own tables before those for all. Raises TableError for a broken one."""
    return CodeTables(folder(home), folder(home, facility))
