"""Every resource of hl7.fhir.r4.examples goes in as JSON and as XML, and comes back equal in both.

Equal: the same elements, numbers with the same digits, arrays in the same order; narratives letter by letter where
they went through JSON, the same XML (C14N) where they went through XML.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from lxml import etree

from gateway.settings import Settings
from profiles import fhirjson, fhirxml
from tests.fhir.support import Json
from tests.support import npm

JSON, XML = "application/fhir+json", "application/fhir+xml"
ALL = 5_306
"""Resources in the package."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Room for the specification's own Bundles of definitions, of up to 21 MB, longer in XML."""
    return settings.model_copy(update={"max_body_bytes": 100_000_000, "request_timeout_s": 600.0})


def unequal() -> dict[str, str]:
    """What does not come back equal, and why: file → what `comes_back` says of it."""
    lines = (npm.EXAMPLES / "unequal.txt").read_text("utf-8").splitlines()
    return {name: said for name, _, said in (line.partition(" ") for line in lines if line[:1] != "#")}


Narrative = Callable[[str], Any]


def exact(node: Any, narrative: Narrative, key: str = "") -> Any:
    """A form that compares as equal only what is: Python takes 1.0 for 1.00."""
    if isinstance(node, dict):
        return {name: exact(value, narrative, name) for name, value in node.items()}
    if isinstance(node, list):
        return [exact(item, narrative, key) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    return narrative(node) if key == "div" else (type(node) is str, str(node))


def differing(one: Json, other: Json, narrative: Narrative) -> str:
    """The elements in which two resources differ."""
    a, b = exact(one, narrative), exact(other, narrative)
    return " ".join(sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key)))


def canonical(div: str) -> Any:
    """`&quot;` or `"`, `<br />` or `<br/>` are the same XML."""
    return etree.tostring(etree.fromstring(div), method="c14n")


def as_written(resource: Json, given: Json) -> Json:
    """The stored resource without what the server adds: the id, the version, the time."""
    meta = {key: value for key, value in resource["meta"].items() if key not in ("versionId", "lastUpdated")}
    meta |= {key: value for key, value in given.get("meta", {}).items() if key in ("versionId", "lastUpdated")}
    rest = {key: value for key, value in resource.items() if key != "meta"} | {"id": given.get("id", resource["id"])}
    if "id" not in given:
        del rest["id"]
    return {**rest, "meta": meta} if meta or "meta" in given else rest


async def comes_back(client: httpx.AsyncClient, content: bytes) -> str:
    """Empty, or what is wrong; `refused …` where the server does not take it."""
    given = fhirjson.decode(content, max_bytes=len(content))
    made = await client.post(f"/{given['resourceType']}", content=content, headers={"Content-Type": JSON})
    if made.status_code != 201:
        rules = [i["details"]["coding"][0]["code"] for i in made.json()["issue"] if i["severity"] in ("error", "fatal")]
        return f"refused {' '.join(dict.fromkeys(rules))}"
    address = "/".join(made.headers["location"].split("/")[-4:-2])
    stored = decoded(await client.get(f"/{address}"))
    if changed := differing(as_written(stored, given), given, str):
        return f"changed {changed}"
    as_xml = await client.get(f"/{address}", headers={"Accept": XML})
    if changed := differing(fhirxml.decode(as_xml.content, max_bytes=len(as_xml.content)), stored, canonical):
        return f"XML out {changed}"
    made = await client.post(f"/{given['resourceType']}", content=as_xml.content, headers={"Content-Type": XML})
    if made.status_code != 201:
        return f"XML in refused {made.text[:300]}"
    again = decoded(await client.get(f"/{'/'.join(made.headers['location'].split('/')[-4:-2])}"))
    changed = differing(as_written(again, given), given, canonical)
    return f"XML in {changed}" if changed else ""


def decoded(answer: httpx.Response) -> Json:
    """The resource of an answer, whatever its length."""
    assert answer.status_code == 200, answer.text[:500]
    return fhirjson.decode(answer.content, max_bytes=len(answer.content))


async def test_every_published_example_comes_back_equal(client: httpx.AsyncClient) -> None:
    folder = await asyncio.to_thread(npm.examples)
    paths = [path for path in sorted(folder.glob("*.json")) if path.name != "package.json"]
    assert len(paths) == ALL
    said = {path.stem: word for path in paths if (word := await comes_back(client, path.read_bytes()))}
    assert said == unequal()
