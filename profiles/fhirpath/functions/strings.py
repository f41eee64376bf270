"""Text. Source: https://hl7.org/fhirpath/N1/#string-manipulation, and https://build.fhir.org/ig/HL7/FHIRPath/#additional-string-functions."""

import re
from collections.abc import Callable
from typing import Any

from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.functions.registry import function, truth_function
from profiles.fhirpath.regex import pattern
from profiles.fhirpath.values import EMPTY, Items, bounded_text, single, type_of

_JSON_ESCAPE = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+|\\.")


def text(items: Items) -> str | None:
    """The one String, None when empty; FHIRPathError for anything else."""
    value = single(items)
    if value is None or value.__class__ is str:
        return value
    if items[0].__class__ is tuple and items[0][0].__class__ is str:
        return items[0][0]  # a date's text is its String
    raise FHIRPathError(f"expected a String, found {type_of(items[0])}")


def integer(items: Items) -> int | None:
    """The one Integer, None when empty; FHIRPathError for anything else."""
    value = single(items)
    if value is None or value.__class__ is int:
        return value
    raise FHIRPathError(f"expected an Integer, found {type_of(items[0])}")


def _texts(*collections: Items) -> list[str] | None:
    found = [text(items) for items in collections]
    return None if None in found else found  # type: ignore[return-value]


def _of_two(python: Callable[[str, str], Any]) -> Callable[[Items, Items], bool | None]:
    def run(items: Items, other: Items) -> bool | None:
        a, b = text(items), text(other)
        return None if a is None or b is None else python(a, b)

    return run


truth_function("startsWith", least=1)(_of_two(str.startswith))
truth_function("endsWith", least=1)(_of_two(str.endswith))
truth_function("contains", least=1)(_of_two(lambda a, b: b in a))
truth_function("matches", least=1, most=2)(
    lambda items, regex, flags=EMPTY: _of_two(lambda a, b: pattern(b, text(flags) or "").search(a))(items, regex)
)
truth_function("matchesFull", least=1, most=2)(
    lambda items, regex, flags=EMPTY: _of_two(lambda a, b: pattern(b, text(flags) or "").fullmatch(a))(items, regex)
)


@function("indexOf", least=1)
def index_of(items: Items, part: Items) -> Items:
    """`indexOf(substring)`, -1 where it is not."""
    found = _texts(items, part)
    return [found[0].find(found[1])] if found else EMPTY


@function("lastIndexOf", least=1)
def last_index_of(items: Items, part: Items) -> Items:
    """`lastIndexOf(substring)`, -1 where it is not."""
    found = _texts(items, part)
    return [found[0].rfind(found[1])] if found else EMPTY


@function("substring", least=1, most=2)
def substring(items: Items, start: Items, length: Items | None = None) -> Items:
    """`substring(start[, length])`; a start outside the text gives nothing."""
    value, begin = text(items), integer(start)
    if value is None or begin is None or not 0 <= begin < len(value):
        return EMPTY
    count = None if length is None else integer(length)
    return [value[begin:] if count is None else value[begin : begin + max(0, count)]]


@function("upper")
def upper(items: Items) -> Items:
    """`upper()`."""
    value = text(items)
    return EMPTY if value is None else [value.upper()]


@function("lower")
def lower(items: Items) -> Items:
    """`lower()`."""
    value = text(items)
    return EMPTY if value is None else [value.lower()]


@function("trim")
def trim(items: Items) -> Items:
    """`trim()`."""
    value = text(items)
    return EMPTY if value is None else [value.strip()]


@function("length")
def length_(items: Items) -> Items:
    """`length()`."""
    value = text(items)
    return EMPTY if value is None else [len(value)]


@function("toChars")
def to_chars(items: Items) -> Items:
    """`toChars()`."""
    return list(text(items) or "")


@function("split", least=1)
def split(items: Items, separator: Items) -> Items:
    """`split(separator)`; an empty separator splits into characters."""
    found = _texts(items, separator)
    if not found:
        return EMPTY
    return list(found[0].split(found[1])) if found[1] else list(found[0])


@function("join", most=1)
def join(items: Items, separator: Items = EMPTY) -> Items:
    """`join([separator])`."""
    if not items:
        return EMPTY
    between, parts = text(separator) or "", [value for item in items if (value := text([item])) is not None]
    bounded_text(sum(map(len, parts)) + len(between) * len(parts))
    return [between.join(parts)]


@function("replace", least=2)
def replace(items: Items, part: Items, substitution: Items) -> Items:
    """`replace(pattern, substitution)`; an empty pattern puts the substitution around every character."""
    found = _texts(items, part, substitution)
    if not found:
        return EMPTY
    value, old, new = found
    bounded_text((len(value) + 1) * len(new))
    if not old:
        return ["".join(f"{new}{char}" for char in value) + new]
    return [value.replace(old, new)]


@function("replaceMatches", least=2, most=3)
def replace_matches(items: Items, regex: Items, substitution: Items, flags: Items = EMPTY) -> Items:
    """`replaceMatches(regex, substitution)` with `$1` and `${name}`; an empty regex changes nothing."""
    found = _texts(items, regex, substitution)
    if not found:
        return EMPTY
    value, old, new = found
    bounded_text((len(value) + 1) * len(new))
    return [pattern(old, text(flags) or "").replace(value, new) if old else value]


def _coded(items: Items, coding: Items, table: dict[str, Callable[[str], str]]) -> Items:
    found = _texts(items, coding)
    if not found:
        return EMPTY
    if found[1] not in table:
        raise FHIRPathError(f"there is no {found[1]!r}; there are {', '.join(table)}")
    bounded_text(_LONGEST * len(found[0]))
    try:
        return [table[found[1]](found[0])]
    except ValueError:  # binascii.Error is one too
        return EMPTY


_LONGEST = 6
"""Characters that one may become: `&quot;`, and as many bytes in hexadecimal."""


def _base64(value: str) -> str:
    from base64 import b64encode

    return b64encode(value.encode()).decode()


def _from_base64(value: str) -> str:
    from base64 import b64decode

    return b64decode(value, validate=True).decode()


def _to_json(value: str) -> str:
    from json import dumps

    return dumps(value, ensure_ascii=False)[1:-1]


def _from_json(value: str) -> str:
    from json import loads

    return _JSON_ESCAPE.sub(lambda match: str(loads(f'"{match[0]}"')), value)


def _to_html(value: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        value = value.replace(char, entity)
    return value


def _from_html(value: str) -> str:
    from html import unescape as from_html

    return from_html(value)


_URL_SAFE, _URL_PLAIN = str.maketrans("+/", "-_"), str.maketrans("-_", "+/")
_ENCODE: dict[str, Callable[[str], str]] = {
    "base64": _base64,
    "urlbase64": lambda value: _base64(value).translate(_URL_SAFE),
    "hex": lambda value: value.encode().hex(),
}
_DECODE: dict[str, Callable[[str], str]] = {
    "base64": _from_base64,
    "urlbase64": lambda value: _from_base64(value.translate(_URL_PLAIN)),
    "hex": lambda value: bytes.fromhex(value).decode(),
}
_ESCAPE: dict[str, Callable[[str], str]] = {"html": _to_html, "json": _to_json}
_UNESCAPE: dict[str, Callable[[str], str]] = {"html": _from_html, "json": _from_json}


@function("encode", least=1)
def encode(items: Items, coding: Items) -> Items:
    """`encode('base64' | 'urlbase64' | 'hex')`."""
    return _coded(items, coding, _ENCODE)


@function("decode", least=1)
def decode(items: Items, coding: Items) -> Items:
    """`decode('base64' | 'urlbase64' | 'hex')`; what is not so encoded gives nothing."""
    return _coded(items, coding, _DECODE)


@function("escape", least=1)
def escape(items: Items, target: Items) -> Items:
    """`escape('html' | 'json')`."""
    return _coded(items, target, _ESCAPE)


@function("unescape", least=1)
def unescape(items: Items, target: Items) -> Items:
    """`unescape('html' | 'json')`."""
    return _coded(items, target, _UNESCAPE)
