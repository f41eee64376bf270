"""The formats of FHIR on the wire, JSON and XML: which one a request brings and which one it wants back.

Resources are JSON inside; XML is made of it, and it of XML, at the edge (`profiles.fhirxml`, without loss).
Source: https://hl7.org/fhir/R4/http.html#mime-type, RFC 9110 §12.5.1
"""

from functools import lru_cache
from typing import Any, Literal
from urllib.parse import parse_qsl

from lxml import etree

from gateway.errors import FhirError
from gateway.settings import Settings
from profiles import fhirjson, fhirxml
from profiles.fhirjson import Resource

Format = Literal["json", "xml"]

JSON_TYPE = b"application/fhir+json; charset=utf-8"
XML_TYPE = b"application/fhir+xml; charset=utf-8"
NAMES: dict[str, Format] = {
    **dict.fromkeys(("json", "application/fhir+json", "application/json", "text/json"), "json"),
    **dict.fromkeys(("xml", "application/fhir+xml", "application/xml", "text/xml"), "xml"),
    **dict.fromkeys(("application/*", "*/*"), "json"),
}
"""What `Accept` and `_format` may say; where the caller leaves it open, it is JSON."""
XML = "application/fhir+xml"
XML_TYPES = (XML, "application/xml", "text/xml")
DEEPER = 10
"""Levels that a Bundle around a stored resource adds to its depth."""


def named(value: str) -> Format:
    """The format that `_format` names. Raises FhirError GF-104."""
    # a + in a URL is a space
    found = NAMES.get(value.partition(";")[0].strip().replace(" ", "+").lower())
    if found is None:
        raise FhirError("GF-104", format=value)
    return found


@lru_cache(maxsize=256)
def accepted(header: bytes) -> Format:
    """The format that an Accept header prefers, of R4. Raises FhirError GF-104 where it leaves room for neither."""
    if not header.strip():
        return "json"
    best: tuple[float, Format] = (0.0, "json")
    for part in header.decode("latin-1").split(","):
        media, _, parameters = part.partition(";")
        options = dict(item.strip().lower().split("=", 1) for item in parameters.split(";") if "=" in item)
        found = NAMES.get(media.strip().lower())
        if found is None or not options.get("fhirversion", "4.0").startswith("4.0"):
            continue
        quality = _quality(options.get("q", "1"))
        if quality > best[0]:
            best = quality, found
    if not best[0]:
        raise FhirError("GF-104", format=header.decode("latin-1").partition(",")[0].strip())
    return best[1]


@lru_cache(maxsize=256)
def unzips(header: bytes) -> bool:
    """Whether an Accept-Encoding header lets an answer be gzipped."""
    wanted = {}
    for part in header.decode("latin-1").lower().split(","):
        coding, _, weight = part.partition(";")
        wanted[coding.strip()] = _quality(weight.partition("=")[2] or "1")
    return wanted.get("gzip", wanted.get("*", 0.0)) > 0


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def for_refusal(accept: bytes, query: bytes) -> Format:
    """The format of a refusal: the one that was asked for, as far as it can be told."""
    try:
        for name, value in parse_qsl(query.decode("latin-1")) if b"_format" in query else ():
            if name == "_format":
                return named(value)
        return accepted(accept) if accept else "json"
    except FhirError:
        return "json"


def brings_xml(content_type: str) -> bool:
    """Whether a body of this Content-Type is FHIR XML."""
    return content_type.partition(";")[0].strip().lower() in XML_TYPES


def read_xml(body: bytes, settings: Settings) -> Resource:
    """The resource of an XML body. Raises FhirError GF-309."""
    try:
        return fhirxml.decode(body, max_bytes=settings.max_body_bytes, max_depth=settings.max_json_depth)
    except fhirxml.FhirXmlError as bad:
        where = f" (line {bad.line})" if bad.line else ""
        raise FhirError("GF-309", reason=f"{bad}{where}") from None


def to_xml(content: bytes, settings: Settings, *, pretty: bool = False) -> bytes:
    """JSON that is to be answered, as XML."""
    depth = settings.max_json_depth + DEEPER
    raw = fhirxml.encode(fhirjson.decode(content, max_bytes=len(content), max_depth=depth))
    return _indented(raw) if pretty else raw


def _indented(raw: bytes) -> bytes:
    root = etree.fromstring(raw)
    _indent(root, "\n")
    content: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return content


def _indent(node: Any, margin: str) -> None:
    """Space between elements; none inside a narrative, where it is text."""
    children = list(node)
    if not children or etree.QName(node).namespace == fhirxml.XHTML:
        return
    node.text = f"{margin}  "
    for child in children:
        _indent(child, f"{margin}  ")
        child.tail = f"{margin}  "
    children[-1].tail = margin
