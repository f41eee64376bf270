"""`gapura key` and `gapura doctor` as an operator runs them."""

import asyncio
from pathlib import Path

import pytest
import yaml

from gateway.cli import main
from gateway.commands.sandbox import facilities_yaml
from gateway.sandbox.server import running_sandbox
from gateway.settings import Facility, load
from tests.support.database import FACILITIES


@pytest.fixture
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The settings of an operator, as environment variables."""
    facilities = tmp_path / "facilities.yaml"
    facilities.write_text(yaml.safe_dump(FACILITIES), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAPURA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GAPURA_DATABASE_URL", database_url)
    monkeypatch.setenv("GAPURA_FACILITIES_FILE", str(facilities))
    return monkeypatch


async def gapura(*arguments: str) -> int:
    """Run the command in a thread of its own: it has its own event loop."""
    return await asyncio.to_thread(main, arguments)


@pytest.mark.usefixtures("environment")
async def test_keys_are_made_listed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    assert await gapura("key", "create", "--role", "simrs", "--label", "SIMRS Melati") == 0
    key = capsys.readouterr().out.strip()
    assert key.startswith("gapura_")
    assert await gapura("key", "create", "--role", "admin", "--facility", "*", "--days", "30") == 0
    capsys.readouterr()
    assert await gapura("key", "list") == 0
    listed = capsys.readouterr().out
    assert "SIMRS Melati" in listed
    assert "rs-melati" in listed, "without --facility a key opens the first"
    assert key not in listed
    assert key.split("_", 2)[2] not in listed
    identity = key.split("_")[1]
    assert await gapura("key", "revoke", identity) == 0
    assert await gapura("key", "revoke", "nobody") == 1
    capsys.readouterr()
    await gapura("key", "list")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(identity)]
    assert "revoked" in line


@pytest.mark.usefixtures("environment")
async def test_wrong_usage_names_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert await gapura("key", "create", "--role", "simrs", "--facility", "rs-mawar") == 2
    assert "rs-kenanga" in capsys.readouterr().err
    assert await gapura("key", "create", "--role", "simrs", "--days", "0") == 2
    with pytest.raises(SystemExit) as refused:
        await gapura("key", "create", "--role", "king")
    assert refused.value.code == 2
    assert "simrs" in capsys.readouterr().err


async def test_a_setting_that_does_not_exist_is_named(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("GAPURA_PROT", "8080")
    assert await gapura("doctor") == 2
    said = capsys.readouterr().err
    assert "GAPURA_PROT" in said
    assert "GAPURA_PORT" in said


@pytest.mark.parametrize("slug", ["fhir", "health", "api"])
def test_a_slug_may_not_hide_the_gateways_own_addresses(slug: str) -> None:
    with pytest.raises(ValueError, match="another slug"):
        Facility.model_validate({**FACILITIES[0], "slug": slug})


async def test_doctor_says_what_to_fix(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert await gapura("doctor", "--offline") == 0
    said = capsys.readouterr().out
    assert "PostgreSQL" in said
    assert "gapura key create" in said, "nobody has a key yet"
    environment.setenv("GAPURA_HOST", "0.0.0.0")
    environment.setenv("GAPURA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert await gapura("doctor", "--offline") == 1
    said = capsys.readouterr().out
    assert "wrong    database" in said
    assert "TLS" in said


async def test_doctor_asks_the_destinations(
    environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facilities = tmp_path / "sandbox.yaml"
    environment.setenv("GAPURA_FACILITIES_FILE", str(facilities))
    async with running_sandbox() as sandbox:
        rows = yaml.safe_load(facilities_yaml(sandbox))
        facilities.write_text(yaml.safe_dump(rows), "utf-8")
        assert await gapura("doctor") == 0, capsys.readouterr().out
        said = capsys.readouterr().out
        assert "ok       default vclaim" in said
        assert "ok       default satusehat" in said

        rows[0]["satusehat"]["client_secret"] = "wrong"
        facilities.write_text(yaml.safe_dump(rows), "utf-8")
        assert await gapura("doctor") == 1
        said = capsys.readouterr().out
        assert "check the satusehat credentials of default" in said
        secret = load().facilities[0].vclaim
        assert secret is not None
        assert secret.consumer_secret.get_secret_value() not in said
    assert await gapura("doctor") == 1
    assert "deliveries wait meanwhile" in capsys.readouterr().out
