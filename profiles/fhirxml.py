"""FHIR XML in and out, without loss: what JSON says, XML says, and back.

Source: https://hl7.org/fhir/R4/xml.html (element order, `value` attributes, xhtml, inline resources).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from lxml import etree

from profiles import definitions
from profiles.fhirjson import MAX_BYTES, MAX_DEPTH, Resource

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

_SYSTEM_STRING = "http://hl7.org/fhirpath/System.String"
_BOOLEANS = {"true": True, "false": False}
_INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(_WHOLE.pattern + r"(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""As JSON writes numbers, and the definitions of integer and decimal: Python reads more, such as NaN."""
_MOST_ATTRIBUTES = 3


class FhirXmlError(ValueError):
    """The bytes are not one FHIR resource in XML. `line` counts from 1, or is None."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class _Child:
    """One element that a type may hold: its JSON key, its type, whether it repeats and how XML writes it."""

    key: str
    type: str
    repeats: bool
    primitive: bool
    attribute: bool


def decode(raw: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Resource:
    """Decode one resource.

    Raises FhirXmlError for oversize or malformed input, a document type declaration, an element that the type does
    not have, and nesting deeper than `max_depth`.
    """
    if len(raw) > max_bytes:
        raise FhirXmlError(f"{len(raw)} bytes are more than the limit of {max_bytes}")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise FhirXmlError(error.msg or "not well-formed XML", error.lineno) from None
    if root.getroottree().docinfo.doctype:
        raise FhirXmlError("a document type declaration is not allowed", 1)
    return _read_resource(root, max_depth)


def encode(resource: Resource) -> bytes:
    """Encode to XML bytes (UTF-8, no indentation). Raises FhirXmlError for an element that the type does not have."""
    raw: bytes = etree.tostring(_write_resource(resource), encoding="UTF-8", xml_declaration=True)
    return raw


@cache
def _children(type_path: str) -> dict[str, _Child]:
    """XML name → child, in the order of the definition; for `Patient`, `HumanName` or `Patient.contact`."""
    structure = definitions.structure(type_path.partition(".")[0])
    if structure is None:
        raise FhirXmlError(f"{type_path} is not an R4 type")
    elements = structure["snapshot"]["element"]
    paths = {e["path"] for e in elements}
    parents = {path.rpartition(".")[0] for path in paths}
    depth = type_path.count(".") + 1
    return {
        child.key: child
        for element in elements
        if element["path"].startswith(type_path + ".") and element["path"].count(".") == depth
        for child in _expand(element, structure["kind"] == "resource" and depth == 1, parents)
    }


def _expand(element: dict[str, Any], of_resource: bool, parents: set[str]) -> Iterator[_Child]:
    path = element["path"]
    name = path.rpartition(".")[2]
    repeats = element.get("base", element)["max"] != "1"
    if reference := element.get("contentReference"):
        yield _Child(name, reference.rpartition("#")[2], repeats, False, False)
    for kind in element.get("type", ()):
        code = kind["code"]
        attribute = code == _SYSTEM_STRING and not of_resource
        if code == _SYSTEM_STRING:
            code = "id" if of_resource else "string"
        elif path in parents:
            code = path
        key = name[:-3] + code[0].upper() + code[1:] if name.endswith("[x]") else name
        yield _Child(key, code, repeats, _is_primitive(code), attribute)


@cache
def _is_primitive(code: str) -> bool:
    structure = None if "." in code else definitions.structure(code)
    return structure is not None and structure["kind"] == "primitive-type"


def _read_resource(node: Any, depth: int) -> Resource:
    name = etree.QName(node)
    if name.namespace != FHIR or name.localname not in definitions.RESOURCE_TYPES:
        raise FhirXmlError(f"<{node.tag}> is not an R4 resource", node.sourceline)
    return {"resourceType": name.localname, **_read_complex(node, name.localname, depth)}


def _read_complex(node: Any, type_path: str, depth: int) -> Resource:
    if depth <= 0:
        raise FhirXmlError("nested too deeply", node.sourceline)
    children = _children(type_path)
    result: Resource = {}
    for name, text in _attributes(node).items():
        child = children.get(name)
        if child is None or not child.attribute:
            raise FhirXmlError(f"{type_path} has no attribute {name!r}", node.sourceline)
        result[name] = text
    for child_node in node.iterchildren(etree.Element):
        tag = etree.QName(child_node)
        child = children.get(tag.localname)
        if child is None or child.attribute or tag.namespace != (XHTML if child.type == "xhtml" else FHIR):
            raise FhirXmlError(f"{type_path} has no element <{tag.localname}>", child_node.sourceline)
        _put(result, child, child_node, depth - 1)
    if any(text.strip() for text in (node.text, *(n.tail for n in node)) if text):
        raise FhirXmlError(f"text is not allowed inside {type_path}", node.sourceline)
    for key in [k for k, v in result.items() if isinstance(v, list) and all(item is None for item in v)]:
        del result[key]  # values that have extensions only: JSON writes `_key` alone
    return result


def _attributes(node: Any) -> dict[str, str]:
    # lxml takes quadratic time to list them; FHIR has no element with more
    if len(node.attrib) > _MOST_ATTRIBUTES:
        raise FhirXmlError(f"<{etree.QName(node).localname}> has {len(node.attrib)} attributes", node.sourceline)
    return dict(node.attrib)


def _put(result: Resource, child: _Child, node: Any, depth: int) -> None:
    value, extra = _read_value(child, node, depth)
    if not child.repeats:
        if child.key in result or f"_{child.key}" in result:
            raise FhirXmlError(f"<{child.key}> may stand only once", node.sourceline)
        if value is not None:
            result[child.key] = value
        if extra:
            result[f"_{child.key}"] = extra
        return
    values = result.setdefault(child.key, [])
    values.append(value)
    shadow = result.get(f"_{child.key}")
    if extra and shadow is None:
        shadow = result[f"_{child.key}"] = [None] * (len(values) - 1)
    if shadow is not None:
        shadow.append(extra)


def _read_value(child: _Child, node: Any, depth: int) -> tuple[Any, Resource | None]:
    if child.type == "xhtml":
        return etree.tostring(node, encoding="unicode", with_tail=False), None
    if child.type == "Resource":
        inner = list(node.iterchildren(etree.Element))
        if len(inner) != 1:
            raise FhirXmlError(f"<{child.key}> must hold exactly one resource", node.sourceline)
        return _read_resource(inner[0], depth), None
    if not child.primitive:
        return _read_complex(node, child.type, depth), None
    extra: Resource = {}
    if (identity := node.get("id")) is not None:
        extra["id"] = identity
    if unknown := _attributes(node).keys() - {"id", "value"}:
        raise FhirXmlError(f"<{child.key}> has no attribute {sorted(unknown)[0]!r}", node.sourceline)
    inner = list(node.iterchildren(etree.Element))
    extensions = [_read_complex(e, "Extension", depth - 1) for e in inner if etree.QName(e).localname == "extension"]
    if len(extensions) != len(inner):
        raise FhirXmlError(f"<{child.key}> may hold only extensions", node.sourceline)
    if extensions:
        extra["extension"] = extensions
    text = node.get("value")
    return (None if text is None else _typed(child, text, node)), extra or None


def _typed(child: _Child, text: str, node: Any) -> Any:
    try:
        if child.type == "boolean":
            return _BOOLEANS[text]
        if child.type in _INTEGERS or child.type == "decimal":
            return _number(text, whole=child.type != "decimal")
    except (KeyError, ValueError, InvalidOperation):
        raise FhirXmlError(f"{text[:40]!r} is not a {child.type}", node.sourceline) from None
    return text


def _number(text: str, *, whole: bool) -> int | Decimal:
    if _WHOLE.fullmatch(text):
        return int(text)
    if whole or not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _write_resource(resource: Resource) -> Any:
    kind = resource.get("resourceType")
    if kind not in definitions.RESOURCE_TYPES:
        raise FhirXmlError(f"{kind!r} is not an R4 resource type")
    node = etree.Element(f"{{{FHIR}}}{kind}", nsmap={None: FHIR})
    _write_complex(node, resource, kind)
    return node


def _write_complex(node: Any, value: Resource, type_path: str) -> None:
    children = _children(type_path)
    for key in value:
        if key.removeprefix("_") not in children and key != "resourceType":
            raise FhirXmlError(f"{type_path} has no element {key!r}")
    for child in children.values():
        if child.attribute:
            if child.key in value:
                node.set(child.key, value[child.key])
        elif child.key in value or f"_{child.key}" in value:
            for item, extra in _pairs(child, value.get(child.key), value.get(f"_{child.key}")):
                _write_value(node, child, item, extra)


def _pairs(child: _Child, value: Any, extra: Any) -> Iterable[tuple[Any, Resource | None]]:
    if not child.repeats:
        return ((value, extra),)
    values, extras = value or [], extra or []
    size = max(len(values), len(extras))
    return zip([*values, *[None] * (size - len(values))], [*extras, *[None] * (size - len(extras))], strict=True)


def _write_value(parent: Any, child: _Child, value: Any, extra: Resource | None) -> None:
    if child.type == "xhtml":
        parent.append(_xhtml(value))
        return
    node = etree.SubElement(parent, f"{{{FHIR}}}{child.key}")
    if child.type == "Resource":
        node.append(_write_resource(value))
    elif not child.primitive:
        _write_complex(node, value, child.type)
    else:
        if extra and "id" in extra:
            node.set("id", extra["id"])
        if value is not None:
            node.set("value", _text(value))
        for extension in (extra or {}).get("extension", ()):
            _write_complex(etree.SubElement(node, f"{{{FHIR}}}extension"), extension, "Extension")


def _xhtml(text: str) -> Any:
    try:
        return etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as error:
        raise FhirXmlError(f"the narrative is not well-formed: {error.msg}") from None


def _text(value: Any) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(value)
