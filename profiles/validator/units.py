"""Compiled units: generated source as byte code, made when first asked for and kept in the user's cache.

The key of the cache is a hash of the definitions, of the generator and of the Python version, so a change of any of
them makes new byte code. Where the cache cannot be written, units live in memory only.
"""

import hashlib
import marshal
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from profiles.definitions import DATA as DEFINITIONS

GENERATOR = Path(__file__).parents[1]
GENERATORS = ("validator/*.py", "validator/data/invariants.json", "snapshot*.py", "fhirpath/**/*.py", "fhirpath/*.txt")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/gapura/validator`, in the home folder by default."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gapura" / "validator"


@cache
def fingerprint() -> bytes:
    """A hash of the shipped definitions, this generator and this Python."""
    digest = hashlib.sha256(sys.version.encode())
    for path in DEFINITIONS.iterdir():
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    for pattern in GENERATORS:
        for path in sorted(GENERATOR.glob(pattern)):
            status = path.stat()
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.digest()


class Units:
    """Byte code by unit name. `added` tells one set of site definitions from another."""

    def __init__(self, added: bytes = b"") -> None:
        key = hashlib.sha256(fingerprint() + added).hexdigest()[:24]
        self._folder: Path | None = cache_folder() / key

    @property
    def kept(self) -> bool:
        """Whether any of these definitions was ever compiled into the cache."""
        return self._folder is not None and self._folder.exists()

    def load(self, name: str, source: Callable[[], str]) -> CodeType:
        """The code of a unit, from the cache or from its source."""
        found = self._read(name)
        if found is None:
            found = compile(source(), f"<gapura {name}>", "exec", optimize=2, dont_inherit=True)
            self._write(name, found)
        return found

    def run(self, name: str, source: Callable[[], str], namespace: dict[str, Any]) -> dict[str, Any]:
        """The namespace after the unit ran in it."""
        exec(self.load(name, source), namespace)  # noqa: S102 (our own generated code)
        return namespace

    def _read(self, name: str) -> CodeType | None:
        if self._folder is None:
            return None
        try:
            raw = (self._folder / f"{name}.bin").read_bytes()
            if hashlib.sha256(raw[32:]).digest() != raw[:32]:
                return None
            code = marshal.loads(raw[32:])  # noqa: S302 (written by this class into the user's own folder)
        except (OSError, ValueError, EOFError, TypeError):
            return None
        return code if isinstance(code, CodeType) else None

    def _write(self, name: str, code: CodeType) -> None:
        if self._folder is None:
            return
        body = marshal.dumps(code)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            os.replace(temporary, self._folder / f"{name}.bin")
        except OSError:
            self._folder = None
