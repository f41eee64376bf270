"""A facility that wants every change to name the version it was made from."""

from pathlib import Path

import httpx
import pytest
import yaml

from gateway.settings import Settings
from tests.fhir.support import bundle, create, entry, error, patient
from tests.support.database import FACILITIES


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """`rs-melati` requires If-Match."""
    strict = [{**FACILITIES[0], "require_if_match": True}, FACILITIES[1]]
    (tmp_path / "strict.yaml").write_text(yaml.safe_dump(strict), "utf-8")
    return settings.model_copy(update={"facilities_file": tmp_path / "strict.yaml"})


async def test_a_change_without_a_version_is_refused(client: httpx.AsyncClient) -> None:
    stored = await create(client, patient())
    address = f"/Patient/{stored['id']}"
    error(await client.put(address, json=stored), 428, "GF-212")
    error(await client.delete(address), 428, "GF-212")
    patch = {"Content-Type": "application/json-patch+json"}
    error(await client.patch(address, content="[]", headers=patch), 428, "GF-212")
    refused = await client.post("", json=bundle(entry("PUT", address.lstrip("/"), stored)))
    assert error(refused, 428, "GF-212")["expression"] == ["Bundle.entry[0]"]
    assert (await client.put(address, json=stored, headers={"If-Match": 'W/"1"'})).status_code == 200
    new = await client.put("/Patient/new", json=patient(id="new"), headers={"If-None-Match": "*"})
    assert new.status_code == 201
    there = "http://gateway.test/rs-kenanga/fhir/Patient/free"
    assert (await client.put(there, json=patient(id="free"))).status_code == 201, "another facility need not"
