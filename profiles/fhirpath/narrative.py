"""FHIR's rules for the XHTML of a narrative: txt-1 (allowed elements and attributes) and txt-2 (some content).

Source: https://hl7.org/fhir/R4/narrative.html#xhtml.
"""

from xml.parsers import expat

MAX_DEPTH = 200
_NAMESPACE = "http://www.w3.org/1999/xhtml"
ELEMENTS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "ul",
        "var",
    ]
)
_COMMON = frozenset(["title", "style", "class", "id", "lang", "xml:lang", "dir", "accesskey", "tabindex", "xmlns"])
_TABLE = frozenset(
    ["span", "width", "align", "valign", "char", "charoff", "abbr", "axis", "headers", "scope", "rowspan", "colspan"]
)
_ATTRIBUTES: dict[str, frozenset[str]] = {
    "a": frozenset(["href", "name", "rel", "rev", "hreflang", "type", "charset", "shape", "coords", "target"]),
    "img": frozenset(["src", "alt", "width", "height", "border", "longdesc", "usemap", "ismap"]),
    "table": frozenset(
        ["summary", "width", "border", "frame", "rules", "cellspacing", "cellpadding", "align", "bgcolor"]
    ),
    **dict.fromkeys(("col", "colgroup", "td", "th", "tr", "tbody", "thead", "tfoot"), _TABLE | {"bgcolor", "nowrap"}),
    **dict.fromkeys(("q", "blockquote"), frozenset(("cite",))),
    **dict.fromkeys(("ol", "ul", "li"), frozenset(["type", "start", "value", "compact"])),
    **dict.fromkeys(
        ("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "caption", "hr"), frozenset(["align", "size", "width"])
    ),
}
_ENTITIES = frozenset(("amp", "lt", "gt", "quot", "apos"))


class _Refused(Exception):
    pass


def acceptable(xhtml: str) -> bool:
    """Whether the text is one XHTML `div` with nothing forbidden and something to read (text or an image)."""
    state = {"depth": 0, "content": False}
    parser = expat.ParserCreate()
    parser.UseForeignDTD(False)

    def start(name: str, attributes: dict[str, str]) -> None:
        if state["depth"] == 0 and (name != "div" or attributes.get("xmlns", _NAMESPACE) != _NAMESPACE):
            raise _Refused
        state["depth"] += 1
        if state["depth"] > MAX_DEPTH or name not in ELEMENTS or not _allowed(name, attributes):
            raise _Refused
        state["content"] |= name == "img"

    def end(name: str) -> None:
        state["depth"] -= 1

    def text(data: str) -> None:
        state["content"] |= bool(data.strip())

    def forbidden(*arguments: object) -> None:
        raise _Refused

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = forbidden
    try:
        parser.Parse(_named_entities(xhtml), True)
    except (expat.ExpatError, _Refused, ValueError):
        return False
    return bool(state["content"])


def _allowed(name: str, attributes: dict[str, str]) -> bool:
    own = _ATTRIBUTES.get(name, frozenset())
    return all(
        (key in _COMMON or key in own) and not value.strip().lower().startswith("javascript:")
        for key, value in attributes.items()
    )


def _named_entities(xhtml: str) -> str:
    """HTML's named entities (`&nbsp;`) as characters: XML alone does not know them, narratives use them."""
    if "&" not in xhtml:
        return xhtml
    import re
    from html.entities import html5

    def character(match: re.Match[str]) -> str:
        name = match[1]
        return match[0] if name in _ENTITIES else html5.get(f"{name};", match[0])

    return re.sub(r"&([A-Za-z][A-Za-z0-9]*);", character, xhtml)
