"""fhirstarter with handlers over dictionaries, written as its own example writes them: the best that it can be.

PERSONS: resources, one JSON a line, that it holds from the start; PORT: where it listens. It knows R4B, not R4.
"""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhirstarter import FHIRProvider, FHIRStarter, InteractionContext
from fhirstarter.exceptions import FHIRResourceNotFoundError

PAGE = 20

app = FHIRStarter()
provider = FHIRProvider()
held: dict[str, str] = {}
by_token: dict[str, list[str]] = defaultdict(list)


def hold(resource: dict[str, Any]) -> None:
    """Keep a resource, and where its tokens are."""
    held[resource["id"]] = json.dumps(resource)
    for token in (*resource.get("identifier", ()), *resource.get("code", {}).get("coding", ())):
        by_token[f"{token['system']}|{token.get('value') or token['code']}"].append(resource["id"])


def page(token: str | None) -> Bundle:
    """The newest that have a token."""
    found = [{"resource": json.loads(held[id])} for id in by_token.get(token or "", ())[: -PAGE - 1 : -1]]
    return Bundle(**{"type": "searchset", "total": len(found), "entry": found or None})


@provider.read(Patient)
async def read(context: InteractionContext, id_: str) -> Patient:
    """Read a person."""
    if id_ not in held:
        raise FHIRResourceNotFoundError
    return Patient.model_validate_json(held[id_])


@provider.create(Observation)
async def create(context: InteractionContext, resource: Observation) -> str:
    """Keep an observation."""
    resource.id = str(uuid4())
    hold(json.loads(resource.model_dump_json()))
    return resource.id


@provider.search_type(Patient)
async def patients(context: InteractionContext, identifier: str | None) -> Bundle:
    """Persons by identifier."""
    return page(identifier)


@provider.search_type(Observation)
async def observations(context: InteractionContext, code: str | None) -> Bundle:
    """Observations by code."""
    return page(code)


app.add_providers(provider)

if __name__ == "__main__":
    for line in Path(os.environ["PERSONS"]).read_text().splitlines():
        hold({"id": str(uuid4()), **json.loads(line)})
    uvicorn.run(
        app, port=int(os.environ["PORT"]), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
