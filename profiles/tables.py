"""A site's own code tables: whole code systems too large to ship (SNOMED CT, LOINC, KFA) that an operator has loaded.

A table is one text file, sorted by code, a line for each name: `code TAB name`, after a first line that says in JSON
what it is. It is read where it lies (a memory map, binary search), so a table of half a million codes costs a process
no memory of its own and no time at its start.
"""

import csv
import mmap
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import msgspec

Json = dict[str, Any]
Names = tuple[str, ...]
Row = tuple[str, str]
"""(code, name); a code with several names has several rows, its display first."""

SUFFIX: Final = ".codes"
REMEMBERED: Final = 4096
"""Codes of a table whose answer is kept."""
CODE_COLUMNS: Final = frozenset({"code", "kode"})
_CODE = re.compile(r"[^\s]+( [^\s]+)*\Z")


class TableError(ValueError):
    """A file cannot become a table, or is none: names the file, the line (from 1) and what is wrong."""


class About(NamedTuple):
    """What a table is: the system's url, its version ("" where unknown), codes, and the file it was made from."""

    system: str
    version: str
    codes: int
    source: str


class CodeTable(Mapping[str, Names]):
    """One table: code → its names, the display first. Raises TableError for a file that is none."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        with path.open("rb") as file:
            head = file.readline()
            try:
                self.about = About(**msgspec.json.decode(head))
            except (msgspec.MsgspecError, TypeError):
                raise TableError(f"{path}: no code table; load it again") from None
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._begin, self._end = len(head), len(self._map)
        self._names = lru_cache(REMEMBERED)(self._found)

    def __getitem__(self, code: str) -> Names:
        names = self._names(code)
        if names is None:
            raise KeyError(code)
        return names

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and self._names(code) is not None

    def __len__(self) -> int:
        return self.about.codes

    def __iter__(self) -> Iterator[str]:
        at, last = self._begin, b""
        while at < self._end:
            code, _, at = self._line(at)
            if code != last:
                yield code.decode()
            last = code

    def _found(self, code: str) -> Names | None:
        wanted = code.encode("utf-8", "replace")
        low, high = self._begin, self._end
        while low < high:
            middle = self._map.rfind(b"\n", 0, (low + high) // 2 + 1) + 1
            if middle <= low:
                middle = low
            here, _, after = self._line(middle)
            if here < wanted:
                low = after
            else:
                high = middle
        names = []
        while low < self._end:
            here, name, low = self._line(low)
            if here != wanted:
                break
            names.append(name.decode())
        return tuple(name for name in names if name) if names else None

    def _line(self, at: int) -> tuple[bytes, bytes, int]:
        end = self._map.find(b"\n", at)
        code, _, name = self._map[at:end].partition(b"\t")
        return code, name, end + 1


class CodeTables:
    """The tables of some folders; where two have the same system, the later folder's counts. Call it with a url."""

    def __init__(self, *folders: Path) -> None:
        self._tables = {table.about.system: table for folder in folders for table in tables(folder)}

    def __call__(self, system: str) -> CodeTable | None:
        """The table of a code system, None where none was loaded."""
        return self._tables.get(system)

    @property
    def key(self) -> frozenset[tuple[str, str]]:
        """What tells two selections apart: the files they are made of."""
        return frozenset((system, table.path) for system, table in self._tables.items())

    @property
    def systems(self) -> frozenset[str]:
        """The urls of the systems that have a table."""
        return frozenset(self._tables)

    def code_system(self, system: str) -> Json | None:
        """The CodeSystem resource of a table, without its concepts."""
        table = self._tables.get(system)
        if table is None:
            return None
        version = {"version": table.about.version} if table.about.version else {}
        kept = {"status": "active", "content": "complete", "count": len(table)}
        return {"resourceType": "CodeSystem", "url": system, **version, **kept}


NO_TABLES: Final = CodeTables()


def tables(folder: Path) -> Iterator[CodeTable]:
    """The tables of a folder by system; none where there is no folder. Raises TableError."""
    yield from (CodeTable(path) for path in sorted(folder.glob(f"*{SUFFIX}")))


def write(folder: Path, system: str, rows: Iterable[Row], *, version: str = "", source: str = "") -> About:
    """Make the table of a system of all its rows, in the place of one that was there. Raises TableError for no rows.

    Whoever reads the old table goes on reading it.
    """
    lines = [(code.encode(), b"%s\t%s\n" % (code.encode(), " ".join(name.split()).encode())) for code, name in rows]
    lines.sort(key=lambda line: line[0])
    count = sum(1 for n, line in enumerate(lines) if n == 0 or lines[n - 1][0] != line[0])
    if not count:
        raise TableError(f"{source}: no codes")
    about = About(system, version, count, source)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            file.write(msgspec.json.encode(about._asdict()) + b"\n")
            file.writelines(line for _, line in lines)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)  # who loads a table need not be who runs the gateway
            os.replace(file.name, _path(folder, system))
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return about


def remove(folder: Path, system: str) -> bool:
    """Remove the table of a system; False where there is none."""
    path = _path(folder, system)
    found = path.exists()
    path.unlink(missing_ok=True)
    return found


def _path(folder: Path, system: str) -> Path:
    readable = re.sub(r"[^a-z0-9]+", "-", system.partition("//")[2].lower()).strip("-")[:60]
    return folder / f"{readable}-{sha256(system.encode()).hexdigest()[:8]}{SUFFIX}"


# Files ----------------------------------------------------------------------------------------------------------------


class _Designation(msgspec.Struct):
    value: str = ""


class _Concept(msgspec.Struct):
    code: str
    display: str = ""
    designation: Sequence[_Designation] = ()
    concept: "Sequence[_Concept]" = ()


class CodeSystem(msgspec.Struct):
    """What of a FHIR CodeSystem a table is made of."""

    resourceType: str
    url: str = ""
    version: str = ""
    content: str = ""
    concept: Sequence[_Concept] = ()

    def rows(self) -> Iterator[Row]:
        """(code, name) of every concept, nested ones included."""
        stack = list(reversed(self.concept))
        while stack:
            concept = stack.pop()
            yield concept.code, concept.display
            yield from ((concept.code, other.value) for other in concept.designation if other.value)
            stack.extend(reversed(concept.concept))


def read_code_system(path: Path) -> CodeSystem:
    """A CodeSystem from FHIR JSON. Raises TableError unless it holds all codes of its system."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=CodeSystem)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: no CodeSystem: {error}") from None
    if found.resourceType != "CodeSystem":
        raise TableError(f"{path}: expected a CodeSystem, found {found.resourceType!r}")
    if found.content != "complete":
        raise TableError(
            f"{path}: content is {found.content!r}; a table must be complete, for codes outside it are wrong"
        )
    for row in found.rows():
        if not _CODE.match(row[0]):
            raise TableError(f"{path}: {row[0]!r} is no code")
    return found


def read_rows(path: Path, columns: tuple[str, str] | None = None) -> Iterator[Row]:
    """(code, name) of every line of a CSV file, or with tabs of a .tsv or .txt file; read as it is needed.

    `columns` names those of the file's heading that hold code and name. Without it the first two columns count, and a
    heading is left out. Raises TableError with the line.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from _rows(path, file, columns)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TableError(f"{path}: {error}") from None


def _rows(path: Path, file: TextIO, columns: tuple[str, str] | None) -> Iterator[Row]:
    tabs = path.suffix in (".tsv", ".txt")
    reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(file, strict=True)
    heading = next(reader, [])
    at = (0, 1)
    rows: Iterable[list[str]] = reader
    if columns is not None:
        if missing := [name for name in columns if name not in heading]:
            raise TableError(f"{path}:1: no column {', '.join(missing)}; the columns are {', '.join(heading)}")
        at = heading.index(columns[0]), heading.index(columns[1])
    elif heading and heading[0].strip().casefold() not in CODE_COLUMNS:
        rows = chain([heading], reader)
    for row in rows:
        if not row:
            continue
        code = row[at[0]].strip() if len(row) > at[0] else ""
        if not _CODE.match(code):
            raise TableError(f"{path}:{reader.line_num}: {code!r} is no code")
        if columns is None and len(row) > 2:
            raise TableError(
                f"{path}:{reader.line_num}: {len(row)} columns; name those of code and display with --columns"
            )
        yield code, row[at[1]] if len(row) > at[1] else ""
