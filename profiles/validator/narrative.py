"""Narrative: the XHTML that may stand in `text.div` (invariants txt-1 and txt-2).

Source: https://hl7.org/fhir/R4/narrative.html. A pass of one regular expression over the tags, in time that
grows as the text does; a document type (the door of entity bombs) is no basic XHTML and is refused unread.
"""

import re
from functools import lru_cache
from typing import Any

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
_EVERYWHERE = "title style class id lang xml:lang dir accesskey tabindex xml:space"
_ALIGNED = "align valign char charoff"
_SPECIFIC = {
    "a": "charset type name href hreflang rel rev shape coords target",
    "img": "src alt longdesc height width usemap ismap",
    "table": "summary width border frame rules cellspacing cellpadding align bgcolor",
    "td": f"abbr axis headers scope rowspan colspan width height bgcolor nowrap {_ALIGNED}",
    "th": f"abbr axis headers scope rowspan colspan width height bgcolor nowrap {_ALIGNED}",
    "tr": f"bgcolor {_ALIGNED}",
    "col": f"span width {_ALIGNED}",
    "colgroup": f"span width {_ALIGNED}",
    "thead": _ALIGNED,
    "tbody": _ALIGNED,
    "tfoot": _ALIGNED,
    "q": "cite",
    "blockquote": "cite",
    "div": "xmlns align",
    "p": "align",
    "ol": "type start",
    "ul": "type",
    "li": "value type",
    "pre": "width",
    "hr": "align width size noshade",
    "br": "clear",
    "caption": "align",
    **{f"h{n}": "align" for n in range(1, 7)},
}
ATTRIBUTES = {name: frozenset(f"{_EVERYWHERE} {_SPECIFIC.get(name, '')}".split()) for name in ELEMENTS}

_XHTML = "http://www.w3.org/1999/xhtml"
_TAG = re.compile(
    r"<(?:!--(?:(?!--)[^\0])*+-->|(?P<close>/)?(?P<name>[A-Za-z][\w.:-]*+)"
    r"(?P<attributes>(?:\s++[\w.:-]++\s*+=\s*+(?:\"[^<\"]*+\"|'[^<']*+'))*+)\s*+(?P<empty>/)?>)"
)
_START = f'<div xmlns="{_XHTML}"'
_ATTRIBUTE = re.compile(r"([\w.:-]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")
_RUN = re.compile(r">\s*+[^<\s][^<]*+<")
_TAGS = re.compile(r"<([^<>]*+)>").findall
_SIMPLE = {name: "/" + name for name in ELEMENTS}
_CONTENT = re.compile(r">\s*+[^<\s]").search
_BARE = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});)")
_ENTITY = re.compile(r"&[A-Za-z][A-Za-z0-9]{1,31};").match
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def is_narrative(v: Any) -> bool:
    """True where `v` is a `div` of basic XHTML with some content."""
    return v.__class__ is str and (is_plain(v) or fault(v) is None)


def is_forgivable(v: Any) -> bool:
    """True for what is no XHTML, but harmless: text without any markup, a faultless `div` that names no namespace."""
    if v.__class__ is not str or v == "" or v.isspace():
        return False
    return "<" not in v or (fault(v) or ("",))[0] == "narrative-namespace"


def is_plain(text: str) -> bool:
    """True for a faultless narrative of simple tags; False says nothing. Several times as fast as `fault`."""
    skeleton = _RUN.sub(">.<", text)
    if skeleton not in _skeletons:
        if not _is_sound(skeleton):
            return False
        if len(skeleton) <= LONG:
            if len(_skeletons) >= MANY:
                _skeletons.clear()
            _skeletons.add(skeleton)
    if "&" in text and _BARE.search(text):
        return False
    raw = text.encode("utf-8", "surrogatepass")
    return raw.translate(_BLANKED) == raw


DEEPEST = 100
"""Elements within each other: XML, which a narrative is part of, is read to a depth of 256."""
MANY, LONG = 512, 1024
"""How many narratives' tags are remembered, and of how many characters: one program writes the same again and again."""
_skeletons: set[str] = set()
_BLANKED = bytes(32 if n < 32 and n not in b"\t\n\r" else n for n in range(256))
"""Control characters to spaces."""


def _is_sound(text: str) -> bool:
    """True where simple tags are well nested and there is something between them."""
    if text[:41] != _START or text[-6:] != "</div>" or not _CONTENT(text):
        return False
    tags = _TAGS(text)
    if len(tags) != text.count("<"):
        return False
    closing: list[str] = []
    last = tags.pop()
    for tag in tags:
        needed = _SIMPLE.get(tag)
        if needed is not None:
            closing.append(needed)
        elif tag[:1] == "/":
            if closing.pop() != tag or not closing:
                return False
        else:
            needed = _closing_of(tag)
            if needed:
                closing.append(needed)
            elif needed is None:
                return False
        if len(closing) > DEEPEST:
            return False
    return closing == ["/div"] and last == "/div"


@lru_cache(1024)
def _closing_of(tag: str) -> str | None:
    """What closes a start tag (given without its brackets): nothing for an empty one, None where it is not allowed."""
    match = _TAG.fullmatch(f"<{tag}>")
    if match is None or not match["name"] or match["close"] or _element(match["name"], match["attributes"]):
        return None
    return "" if match["empty"] else "/" + match["name"]


def fault(text: str) -> tuple[str, str] | None:
    """What is wrong with a narrative: (message key, the offending part), or None."""
    body = text.strip()
    if not body.startswith("<div"):
        return "narrative-div", body[:40]
    stack: list[str] = []
    position, content = 0, False
    for match in _TAG.finditer(body):
        start = match.start()
        if start > position or not stack:
            between = body[position:start]
            if "<" in between:
                return "narrative-broken", between[between.index("<") :][:40]
            if not stack and position and not between.isspace() and between:
                return "narrative-broken", between[:40]
            content = content or not (between.isspace() or not between)
        position = match.end()
        name = match["name"]
        if name is None:
            continue
        if match["close"]:
            if not stack or stack.pop() != name:
                return "narrative-unclosed", name
            continue
        if not stack and start:
            return "narrative-div", name
        if problem := _element(name, match["attributes"]):
            return problem
        if name == "img":
            content = True
        if not match["empty"]:
            stack.append(name)
            if len(stack) > DEEPEST:
                return "narrative-deep", name
    if stack or position < len(body):
        return "narrative-broken" if not stack or "<" in body[position:] else "narrative-unclosed", body[position:][:40]
    if bare := _BARE.search(body):
        named = _ENTITY(body, bare.start())
        return ("narrative-entity", named[0]) if named else ("narrative-broken", body[bare.start() :][:20])
    if control := _CONTROL.search(body):
        return "narrative-broken", body[control.start() :][:20]
    if not content:
        return "narrative-empty", ""
    return None if _has_namespace(body) else ("narrative-namespace", "")


def _has_namespace(body: str) -> bool:
    root = _TAG.match(body)
    return root is not None and any(key == "xmlns" for key, _, _ in _ATTRIBUTE.findall(root["attributes"]))


def _element(name: str, attributes: str) -> tuple[str, str] | None:
    if name not in ELEMENTS:
        return "narrative-element", name
    if not attributes:
        return None
    allowed = ATTRIBUTES[name]
    for key, double, single in _ATTRIBUTE.findall(attributes):
        if key not in allowed:
            return "narrative-attribute", f"{name} {key}"
        value = (double or single).strip()
        if key == "xmlns" and value != _XHTML:
            return "narrative-div", value
        if key in ("href", "src") and value.lower().startswith(("javascript:", "vbscript:")):
            return "narrative-attribute", f"{name} {key}"
    return None
