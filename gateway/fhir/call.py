"""One interaction: what is asked (`Call`) and what is answered (`Answer`).

An HTTP request is one Call; each entry of a batch or transaction is one too, and travels the same functions.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Raw
from starlette.types import Receive

from gateway.errors import FhirError, Language
from gateway.fhir.view import PLAIN, Prefer, View, subset, view
from gateway.parts import Parts
from gateway.security.audit import Visitor
from gateway.security.keys import Principal
from gateway.settings import Facility
from gateway.store import Version
from profiles import fhirjson
from profiles.fhirjson import Resource

Query = list[tuple[str, str]]
FORM = "application/x-www-form-urlencoded"
JSON_TYPES = ("application/fhir+json", "application/json", "text/json")


@dataclass(slots=True)
class Call:
    """What is asked. `query` holds the parameters that belong to the interaction itself (not `_format` and its like).

    `base` is the URL of the facility's FHIR root; `resource` is set where the body came decoded (Bundle entries);
    `receive` brings the body of a route that is `raw`; `compartment` restricts a search to the members of one.
    """

    services: Parts
    facility: Facility
    who: Principal
    lang: Language
    base: str
    method: str
    path: str
    type: str
    id: str
    version: str
    query: Query
    headers: Mapping[bytes, bytes]
    view: View
    prefer: Prefer
    remote: str
    request_id: str
    body: bytes = b""
    receive: Receive | None = None
    compartment: tuple[str, str] | None = None
    resource: Resource | None = None
    warnings: list[FhirError] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """`Type/id` of the address."""
        return f"{self.type}/{self.id}"

    @property
    def visitor(self) -> Visitor:
        """Who asks, for the audit trail."""
        return Visitor(self.facility.slug, self.who, self.remote)

    def header(self, name: bytes) -> str:
        """A request header by its lower-case name, or the empty string."""
        return self.headers.get(name, b"").decode("latin-1")

    def decoded(self) -> Resource:
        """The resource in the body, of the type that the address names.

        Raises FhirError GF-105 (media type), GF-111 (no body), GF-301 (not JSON), GF-302, GF-303 (another type).
        """
        if self.resource is None:
            if self.body:
                self.expect_media(JSON_TYPES, "application/fhir+json")
            self.resource = self.json()
        found = self.resource.get("resourceType")
        if not isinstance(found, str):
            raise FhirError("GF-302", wanted=self.type or "Bundle")
        if self.type and found != self.type:
            raise FhirError("GF-303", body=found, address=self.type, expression=self.type)
        return self.resource

    def json(self) -> Resource:
        """The body as one JSON object. Raises FhirError GF-111, GF-301."""
        if not self.body:
            raise FhirError("GF-111", wanted="application/fhir+json")
        settings = self.services.settings
        try:
            return fhirjson.decode(
                self.body, max_bytes=settings.max_body_bytes, max_depth=settings.max_json_depth, printable=True
            )
        except fhirjson.FhirJsonError as bad:
            where = f" (line {bad.line}, column {bad.column})" if bad.line else ""
            raise FhirError("GF-301", reason=f"{bad}{where}") from None

    @property
    def brings_form(self) -> bool:
        """Whether the body is a form."""
        return self.header(b"content-type").partition(";")[0].strip().lower() == FORM

    def form(self) -> Query:
        """The body as the parameters of a form. Raises FhirError GF-105, GF-106."""
        self.expect_media((FORM,), FORM)
        try:
            text = self.body.decode("utf-8")
            return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
        except (UnicodeDecodeError, ValueError):
            raise FhirError(
                "GF-106", header="Content-Type", value=FORM, wanted="a form in UTF-8: name=value&name=value"
            ) from None

    def expect_media(self, types: Sequence[str], wanted: str) -> None:
        """Refuse a body of another media type, charset or version of FHIR (GF-105). No Content-Type at all is taken
        for the first."""
        given = self.header(b"content-type")
        media, *options = (part.strip() for part in given.lower().split(";"))
        if media and media not in types:
            raise FhirError("GF-105", format=media, wanted=wanted)
        for name, _, value in (option.partition("=") for option in options):
            if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
                raise FhirError("GF-105", format=given, wanted=f"{wanted}; charset=utf-8")
            if name == "fhirversion" and not value.startswith("4.0"):
                raise FhirError("GF-105", format=given, wanted=f"{wanted}; fhirVersion=4.0")

    def no_parameters(self, *valid: str) -> None:
        """Refuse (or, leniently, warn of) every parameter that this interaction does not know (GF-109)."""
        unknown = sorted({name for name, _ in self.query if name not in valid})
        if unknown:
            known = ", ".join(dict.fromkeys((*valid, *GENERAL)))
            error = FhirError("GF-109", names=", ".join(unknown), valid=known)
            if not self.prefer.lenient:
                raise error
            self.warnings.append(error)
            self.query = [(name, value) for name, value in self.query if name in valid]

    def add_parameters(self, pairs: Query) -> None:
        """Take parameters of a form body in, beside those of the address."""
        shown, rest = view(pairs)
        if shown != PLAIN:
            self.view = shown._replace(format=shown.format or self.view.format)
        self.query = [*self.query, *rest]

    def shown(self, content: bytes) -> Any:
        """Stored JSON as this caller asked to see it: as it is, or cut down."""
        return subset(fhirjson.decode(content), self.view) if self.view.subset else Raw(content)

    def audited(self, interaction: str, query: str) -> None:
        """Note for the audit trail that the caller saw what a query found."""
        self.services.journal.note(self.visitor, interaction, "", query)


GENERAL = ("_format", "_pretty", "_summary", "_elements")


@dataclass(slots=True)
class Answer:
    """What is answered. `version` gives ETag, Last-Modified and body; `resource` a body that is not stored; `stream`
    one that no memory should hold, of which `headers` say everything.

    `issues` are OperationOutcome issues about the act (profile findings, warnings), shown as Prefer asks.
    """

    status: int
    version: Version | None = None
    resource: Any = None
    location: bool = False
    issues: Sequence[Mapping[str, Any]] = ()
    headers: Sequence[tuple[bytes, bytes]] = ()
    stream: AsyncIterator[bytes] | None = None
