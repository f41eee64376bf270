"""The first start of all: what has to be compiled is compiled by a process of its own."""

from pathlib import Path

import pytest

from gateway.warm import compile_elsewhere, sent
from profiles import INDONESIA, Validator


async def test_what_was_never_compiled_is_compiled_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GAPURA_HOME", str(tmp_path / "home"))
    assert not Validator([INDONESIA]).compiled
    await compile_elsewhere()
    validator = Validator([INDONESIA])
    assert validator.compiled
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.bin")}
    for resource in sent():
        validator.validate(resource)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.bin")} == kept
