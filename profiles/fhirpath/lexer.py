"""An expression cut into tokens. Source: https://hl7.org/fhirpath/N1/grammar.html."""

import re
from typing import NamedTuple

from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.syntax import Place

MAX_LENGTH = 100_000

_TOKEN = re.compile(
    r"""
      (?P<space>  \s+ | //[^\n]* | /\*.*?\*/ )
    | (?P<datetime> @\d{4}(?:-\d\d(?:-\d\d)?)?T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)? )
    | (?P<date>   @\d{4}(?:-\d\d(?:-\d\d)?)? )
    | (?P<time>   @T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)? )
    | (?P<number> \d{1,100}(?:\.\d{1,100})? (?!\d) )
    | (?P<string> '(?:[^'\\]|\\.)*' )
    | (?P<quoted> `(?:[^`\\]|\\.)*` )
    | (?P<name>   [A-Za-z_][A-Za-z0-9_]* )
    | (?P<special> \$[A-Za-z]+ )
    | (?P<external> %(?: [A-Za-z_][A-Za-z0-9_]* | '(?:[^'\\]|\\.)*' | `(?:[^`\\]|\\.)*` ) )
    | (?P<sign>   <= | >= | != | !~ | /(?!\*) | [-+*&|<>=~.,()\[\]{}] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {"'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/", "r": "\r", "n": "\n", "t": "\t", "f": "\f"}


class Token(NamedTuple):
    """`kind` is the group's name in the table above, or `end`; `text` is unescaped for strings and quoted names."""

    kind: str
    text: str
    place: Place


def tokens(expression: str) -> list[Token]:
    """The tokens, the last of kind `end`. Raises FHIRPathError where there is none to be had."""
    if len(expression) > MAX_LENGTH:
        raise FHIRPathError(f"an expression of {len(expression)} characters is longer than {MAX_LENGTH}", 1)
    found: list[Token] = []
    position, line, line_start = 0, 1, 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        place = (line, position - line_start + 1)
        if match is None:
            raise FHIRPathError(_what_is_wrong(expression, position), place[1], line)
        text, kind = match.group(), match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, _content(kind, text, place), place))
        if "\n" in text:
            line += text.count("\n")
            line_start = position + text.rfind("\n") + 1
        position = match.end()
    found.append(Token("end", "", (line, position - line_start + 1)))
    return found


def _content(kind: str, text: str, place: Place) -> str:
    if kind in ("string", "quoted"):
        return _unescape(text[1:-1], place)
    if kind == "external":
        return _unescape(text[2:-1], place) if text[1] in "'`" else text[1:]
    return text


def _unescape(text: str, place: Place) -> str:
    if "\\" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] not in _ESCAPES:
            raise FHIRPathError(f"unknown escape \\{match[2]} in a string", place[1], place[0])
        return _ESCAPES[match[2]]

    return _ESCAPE.sub(replace, text)


def _what_is_wrong(expression: str, position: int) -> str:
    rest = expression[position : position + 2]
    if rest[0] in "'`":
        return f"the {'string' if rest[0] == chr(39) else 'name'} that begins here is not closed"
    if rest == "/*":
        return "the comment that begins here is not closed"
    if rest[0].isdigit():
        return "a number of more than 100 digits"
    if rest[0] == "@":
        return "not a date, dateTime or time"
    return f"unexpected character {rest[0]!r}"
