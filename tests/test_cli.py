"""The `gapura` command itself."""

from importlib.metadata import version

import pytest

from gateway.cli import main


def test_version_says_the_version_and_does_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"gapura {version('gapura')}\n"
