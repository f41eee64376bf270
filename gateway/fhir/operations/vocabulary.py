"""What the terminology operations know at a facility: what is shipped, the site's own, and what was uploaded here.

Uploaded CodeSystems, ValueSets and ConceptMaps are looked up in the store at each question, so they are in force the
moment they are written, in every process, and at no other facility.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.errors import FhirError
from gateway.fhir.call import Call
from gateway.fhir.reading import current
from gateway.store import Version
from profiles import fhirjson
from profiles.definitions import Definitions
from profiles.fhirjson import Resource
from profiles.terminology import Terminology

KINDS = ("CodeSystem", "ValueSet")
LAYER = ("CodeSystem", "ValueSet", "StructureDefinition", "SearchParameter")


class Vocabulary:
    """The terminology of one question: `find` what it names, then ask `terminology`."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._shipped: Definitions = call.services.validator(call.facility).definitions
        self._tables = call.services.tables(call.facility)
        self._found: dict[tuple[str, str], Resource | None] = {}
        self._terminology: Terminology | None = None

    @property
    def terminology(self) -> Terminology:
        """The answers over everything that was found so far."""
        if self._terminology is None:
            own = [resource for kind in LAYER for resource in self._shipped.added(kind).values()]
            uploaded = [resource for resource in self._found.values() if resource is not None]
            self._terminology = Terminology(Definitions([*own, *uploaded]), self._tables)
        return self._terminology

    async def code_system(self, url: str, version: str | None = None) -> Resource:
        """A CodeSystem by its url. Raises FhirError GF-702."""
        found = await self._load("CodeSystem", _canonical(url, version))
        return self._known(
            "CodeSystem", found or self._tables.code_system(url) or self._shipped.code_system(url), url, version
        )

    async def value_set(self, url: str, version: str | None = None) -> Resource:
        """A ValueSet by its url, with everything that it is made of. Raises FhirError GF-702."""
        name = _canonical(url, version)
        found = await self._load("ValueSet", name) or self._shipped.value_set_definition(url)
        resource = self._known("ValueSet", found, url, version)
        await self.gather(resource)
        return resource

    async def instance(self) -> Resource:
        """The resource that the address names, with everything that it is made of. Raises FhirError GF-201, GF-202."""
        version = await current(self._call)
        resource = fhirjson.decode(version.content)
        if "url" in resource:
            self._keep(resource["resourceType"], resource["url"], resource)
        await self.gather(resource)
        return resource

    async def given(self, resource: Resource) -> Resource:
        """A resource that came with the question, with everything that it is made of."""
        if resource["resourceType"] == "CodeSystem" and "url" in resource:
            self._keep("CodeSystem", resource["url"], resource)
        await self.gather(resource)
        return resource

    async def gather(self, resource: Resource) -> None:
        """Look up what a ValueSet is made of, to any depth."""
        ahead = list(_parts(resource))
        while ahead:
            kind, url = ahead.pop()
            if (kind, url.partition("|")[0]) not in self._found:
                found = await self._load(kind, url)
                found = found or (self._shipped.value_set_definition(url) if kind == "ValueSet" else None)
                ahead += _parts(found) if found else ()

    async def concept_maps(self, *query: tuple[str, str]) -> list[Resource]:
        """The ConceptMaps uploaded here that meet a query, the newest first."""
        return [fhirjson.decode(version.content) for version in await self._search("ConceptMap", *query)]

    async def _load(self, kind: str, canonical: str) -> Resource | None:
        url, _, version = canonical.partition("|")
        query = [("url", escaped(url)), *([("version", escaped(version))] if version else [])]
        found = await self._search(kind, *query)
        resource = fhirjson.decode(found[0].content) if found else None
        self._keep(kind, url, resource)
        return resource

    async def _search(self, kind: str, *query: tuple[str, str]) -> list[Version]:
        asked = [*query, ("_sort", "-_lastUpdated"), ("_count", "50")]
        page = await self._call.services.store.search(self._call.facility.slug, kind, asked)
        return list(page.matches)

    def _keep(self, kind: str, url: str, resource: Resource | None) -> None:
        self._found[kind, url] = resource
        self._terminology = None

    def _known(self, kind: str, found: Resource | None, url: str, version: str | None) -> Resource:
        if found is None or (version and found.get("version") not in (None, version)):
            raise FhirError("GF-702", reason=f"{kind} {_canonical(url, version)} is not known here")
        return found


def _canonical(url: str, version: str | None) -> str:
    return f"{url}|{version}" if version else url


def escaped(value: str) -> str:
    """A value of a search parameter whose separators are meant as they stand."""
    for sign in "\\,|$":
        value = value.replace(sign, f"\\{sign}")
    return value


def _parts(resource: Resource) -> Iterator[tuple[str, str]]:
    """(type, canonical) of the code systems and value sets that a ValueSet names; nothing of another resource."""
    compose: dict[str, Any] = resource.get("compose", {})
    for part in (*compose.get("include", ()), *compose.get("exclude", ())):
        if "system" in part:
            yield "CodeSystem", part["system"]
        for url in part.get("valueSet", ()):
            yield "ValueSet", url


def concepts(rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Every concept of a CodeSystem's nested list, as it is written there."""
    for row in rows:
        yield row
        yield from concepts(row.get("concept", ()))
