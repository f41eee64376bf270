"""The CapabilityStatement is true in every line; and a line that is not true does not pass."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from profiles import Validator
from profiles.definitions import RESOURCE_TYPES
from tests.fhir import claims
from tests.fhir.support import Json
from tests.support import npm

EMPTY = (
    *("Parameters", "SubstanceNucleicAcid", "SubstancePolymer", "SubstanceProtein"),
    *("SubstanceReferenceInformation", "SubstanceSourceMaterial"),
)
"""Types of which HL7 has no example; nothing is required in them."""
OURS: list[Json] = [
    *({"resourceType": kind} for kind in EMPTY),
    {
        **{"resourceType": "ImplementationGuide", "url": "http://rs-melati.example/guide", "name": "Guide"},
        **{"status": "draft", "packageId": "example.guide", "fhirVersion": ["4.0.1"]},
    },
    {"resourceType": "DeviceMetric", "type": {"text": "SpO2"}, "category": "measurement"},
    {
        **{"resourceType": "DeviceUseStatement", "status": "active", "subject": {"reference": "Patient/1"}},
        "device": {"reference": "Device/1"},
    },
    {"resourceType": "EventDefinition", "status": "draft", "trigger": [{"type": "named-event", "name": "masuk"}]},
]
"""Instead of those that are not there, and of HL7's that break R4."""


@pytest.fixture(scope="module")
def package() -> Path:
    """hl7.fhir.r4.examples."""
    return npm.examples()


@pytest.fixture(scope="module")
def published(package: Path) -> claims.Published:
    """HL7's own SearchParameters and OperationDefinitions."""
    paths = [*package.glob("SearchParameter-*.json"), *package.glob("OperationDefinition-*.json")]
    return claims.Published(json.loads(path.read_bytes()) for path in paths if "-example" not in path.name)


@pytest.fixture(scope="module")
def examples(package: Path) -> Json:
    """A resource of each type."""
    refused = {line.split()[0] for line in (npm.EXAMPLES / "unequal.txt").read_text("utf-8").splitlines()}
    found: Json = {one["resourceType"]: one for one in OURS}
    for kind in RESOURCE_TYPES - found.keys():
        paths = sorted(package.glob(f"{kind}-*.json"), key=lambda path: path.stat().st_size)
        path = next(path for path in paths if path.stem not in refused or kind == "Subscription")
        found[kind] = json.loads(path.read_bytes())
    # one that is requested gets its next version by being taken into service, whenever that is
    found["Subscription"]["status"] = "off"
    return found


async def test_every_claim_is_true(client: httpx.AsyncClient, published: claims.Published, examples: Json) -> None:
    statement = (await client.get("/metadata")).json()
    assert [i for i in Validator().validate(statement) if i.severity in ("error", "fatal")] == []
    (rest,) = statement["rest"]
    assert {resource["type"] for resource in rest["resource"]} == RESOURCE_TYPES
    assert await claims.of_statement(client, statement, published, examples) == []


Change = Callable[[Json, Json, Json], Any]
LIES: dict[str, Change] = {
    "format ttl": lambda whole, rest, basic: whole["format"].append("ttl"),
    "patchFormat application/xml-patch+xml": lambda whole, rest, basic: whole["patchFormat"].append(
        "application/xml-patch+xml"
    ),
    "security.cors": lambda whole, rest, basic: rest["security"].update(cors=True),
    "security.description": lambda whole, rest, basic: rest["security"].update(description="Open to all"),
    "interaction search-all": lambda whole, rest, basic: rest["interaction"].append({"code": "search-all"}),
    "interactions are left out": lambda whole, rest, basic: rest["interaction"].pop(),
    "compartment http://hl7.org/fhir/CompartmentDefinition/basic": lambda whole, rest, basic: rest[
        "compartment"
    ].append("http://hl7.org/fhir/CompartmentDefinition/basic"),
    "operation everything": lambda whole, rest, basic: rest["operation"].append(
        {"name": "everything", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything"}
    ),
    "searchParam _query": lambda whole, rest, basic: rest["searchParam"].append({"name": "_query", "type": "token"}),
    "Basic: interaction delete": lambda whole, rest, basic: basic["interaction"].remove({"code": "delete"}),
    "Basic: interaction merge": lambda whole, rest, basic: basic["interaction"].append({"code": "merge"}),
    "Basic: conditionalCreate": lambda whole, rest, basic: basic.update(conditionalCreate=False),
    "Basic: conditionalRead": lambda whole, rest, basic: basic.update(conditionalRead="not-supported"),
    "Basic: conditionalUpdate": lambda whole, rest, basic: basic.update(conditionalUpdate=False),
    "Basic: conditionalDelete": lambda whole, rest, basic: basic.update(conditionalDelete="multiple"),
    "Basic: updateCreate": lambda whole, rest, basic: basic.update(updateCreate=False),
    "Basic: versioning": lambda whole, rest, basic: basic.update(versioning="no-version"),
    "Basic: readHistory": lambda whole, rest, basic: basic.update(readHistory=False),
    "Basic: referencePolicy": lambda whole, rest, basic: basic["referencePolicy"].append("enforced"),
    "Basic: searchParam gender": lambda whole, rest, basic: basic["searchParam"].append(
        {"name": "gender", "type": "token", "definition": "http://hl7.org/fhir/SearchParameter/individual-gender"}
    ),
    "Basic: searchParam nik": lambda whole, rest, basic: basic["searchParam"].append({"name": "nik", "type": "token"}),
    "Basic: searchParam created": lambda whole, rest, basic: of(basic["searchParam"], "created").update(type="string"),
    "Basic: _include Basic:code": lambda whole, rest, basic: basic["searchInclude"].append("Basic:code"),
    "Basic: _include List:item": lambda whole, rest, basic: basic["searchInclude"].append("List:item"),
    "Basic: _revinclude Condition:subject": lambda whole, rest, basic: basic["searchRevInclude"].append(
        "Condition:subject"
    ),
    "Basic: operation lastn": lambda whole, rest, basic: basic["operation"].append(
        {"name": "lastn", "definition": "http://hl7.org/fhir/OperationDefinition/Observation-lastn"}
    ),
    "Basic: operation meta": lambda whole, rest, basic: of(basic["operation"], "meta").update(
        definition="http://hl7.org/fhir/OperationDefinition/Resource-validate"
    ),
}
"""What a false statement is told → how it is made of the true one (whole, its rest, the entry of Basic in it)."""


def of(rows: list[Json], name: str) -> Json:
    """The row of a name."""
    return next(row for row in rows if row["name"] == name)


async def test_a_false_claim_is_noticed(client: httpx.AsyncClient, published: claims.Published, examples: Json) -> None:
    statement = (await client.get("/metadata")).json()
    (rest,) = statement["rest"]
    one_type = [resource for resource in rest["resource"] if resource["type"] == "Basic"]
    true = {**statement, "rest": [{**rest, "resource": one_type}]}
    assert await claims.of_statement(client, true, published, examples) == []
    for lie, change in LIES.items():
        false = copy.deepcopy(true)
        (said,) = false["rest"]
        change(false, said, said["resource"][0])
        assert lie in await claims.of_statement(client, false, published, examples), lie
