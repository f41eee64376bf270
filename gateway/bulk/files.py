"""The files of jobs: GAPURA_HOME/bulk/{job}/, the input of an import and one folder of NDJSON per claim.

A job that is taken up anew writes into a folder of its own, so that a process that was believed dead spoils nothing.
"""

import asyncio
import os
import shutil
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.bulk.jobs import File

MOST_LINES = 100_000
"""Lines of one file; the next goes into another."""
CHUNK = 256 * 1024
INPUT = "input.ndjson"
GZIP = 16 + zlib.MAX_WBITS
ZIP_LEVEL = 1
SMALL, MOST_UNPACKED = 20 * 1024 * 1024, 200
"""An upload may unpack to so many bytes and, beyond them, to so many times its length: records shrink to a twentieth,
what shrinks to a thousandth is meant to fill the disk."""


def folder(home: Path, job: str) -> Path:
    """Where a job keeps its files."""
    return home / "bulk" / job


def prepared(home: Path, job: str, claim: str = "") -> Path:
    """The folder of a job or claim, made, readable by its owner only."""
    place = folder(home, job) / claim
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


def remove(home: Path, job: str) -> None:
    """Remove all files of a job."""
    shutil.rmtree(folder(home, job), ignore_errors=True)


class Unwritable(Exception):
    """The disk refused, for the reason in `__cause__`: inside a block that reads the database an OSError would be taken
    for the loss of the database."""


@contextmanager
def on_disk() -> Iterator[None]:
    """Raises Unwritable in the place of OSError."""
    try:
        yield
    except OSError as error:
        raise Unwritable(str(error)) from error


class Output:
    """NDJSON files being written, one row of them per role and type. `close` makes them durable."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._open: dict[tuple[str, str], tuple[BinaryIO, list[int]]] = {}
        self.files: list[File] = []
        self.lines = 0

    async def add(self, role: str, type: str, line: bytes) -> None:
        """Append one line (JSON without line breaks)."""
        held = self._open.get((role, type))
        if held is None:
            with on_disk():
                held = self._open[role, type] = self._begin(role, type), [0]
        stream, count = held
        with on_disk():
            stream.write(line + b"\n")
        count[0] += 1
        self.lines += 1
        if count[0] == MOST_LINES:
            await self.end(role, type)

    async def end(self, role: str, type: str) -> None:
        """No more lines of this type for now."""
        held = self._open.pop((role, type), None)
        if held is None:
            return
        stream, count = held
        with on_disk():
            await asyncio.to_thread(_settle, stream)
        self.files.append(File(role, type, count[0], f"{self._place.name}/{Path(stream.name).name}"))

    async def close(self) -> list[File]:
        """Everything is on disk; the files, in the order in which they ended."""
        for role, type in list(self._open):
            await self.end(role, type)
        return self.files

    def discard(self) -> None:
        """Close what is open, keep nothing."""
        for stream, _ in self._open.values():
            stream.close()
        self._open.clear()

    def _begin(self, role: str, type: str) -> BinaryIO:
        number = sum(file.role == role and file.type == type for file in self.files) + 1
        name = f"{type}.{number}.ndjson" if role == "output" else f"{role}.{type}.{number}.ndjson"
        descriptor = os.open(self._place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.close(descriptor)
        return (self._place / name).open("wb", buffering=CHUNK)


def _settle(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()


@contextmanager
def writing(place: Path) -> Iterator[Output]:
    """An Output; what an exception leaves half written is closed."""
    output = Output(place)
    try:
        yield output
    finally:
        output.discard()


async def chunks(path: Path, *, zipped: bool) -> AsyncIterator[bytes]:
    """A file piece by piece, gzipped on the way if asked."""
    packer = zlib.compressobj(ZIP_LEVEL, zlib.DEFLATED, GZIP) if zipped else None
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            if packer is not None:
                piece = packer.compress(piece)
            if piece:
                yield piece
    if packer is not None:
        yield packer.flush()


async def save(pieces: AsyncIterator[bytes], path: Path, *, zipped: bool) -> int:
    """Write an upload to a file, unzipped, and make it durable; returns its bytes. Raises zlib.error."""
    unpacker = zlib.decompressobj(GZIP) if zipped else None
    received = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        async for piece in pieces:
            received += len(piece)
            while piece:
                if unpacker is None:
                    stream.write(piece)
                    break
                stream.write(unpacker.decompress(piece, CHUNK))
                piece = unpacker.unconsumed_tail
                if stream.tell() > SMALL + received * MOST_UNPACKED:
                    raise zlib.error(f"it unpacks to more than {MOST_UNPACKED} times its length")
        if unpacker is not None:
            stream.write(unpacker.flush())
            if not unpacker.eof:
                raise zlib.error("the upload ends before its gzip stream does")
        stream.flush()
        os.fsync(stream.fileno())
        return stream.tell()
