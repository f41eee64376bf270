"""FHIR JSON in and out, exactly: decimals keep their digits, duplicate keys and over-deep input are refused.

Source: https://hl7.org/fhir/R4/json.html (decimal precision, no duplicate property names).
"""

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import accumulate, islice
from typing import Any

import msgspec

Resource = dict[str, Any]
"""A decoded FHIR resource: JSON object with `Decimal` for every number that has a fraction or exponent."""

MAX_BYTES = 20 * 1024 * 1024
MAX_DEPTH = 100

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
# A string ends at its quote or, in broken input, at the end; possessive, so that no input makes it try twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_STRING_OR_BRACKET = re.compile(_STRING.pattern + rb"|[{}\[\]]", re.DOTALL)
_OPEN_OR_CLOSE = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{[}]"))
_PIECE = 1 << 16
_MOST_SOUGHT = 1_000_000
_ESCAPED_QUOTE = re.compile(rb"\\u0022", re.IGNORECASE)
_SPACED_COLON = re.compile(rb'"[ \t\r\n]+:')
_UNPRINTABLE = re.compile(
    rb"(?<!\\)(?:\\\\)*+(\\(?:[bf]|u00(?:0[0-8bcef]|1[0-9a-f])|ufff[ef]))|(\xef\xbf[\xbe\xbf])", re.IGNORECASE
)
"""What FHIR strings may not hold and XML cannot carry: control characters (escapes, in JSON), U+FFFE, U+FFFF."""


class FhirJsonError(ValueError):
    """The bytes are not one JSON object that FHIR allows. `line` and `column` count from 1, or are None."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line, self.column = line, column


def decode(raw: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, printable: bool = False) -> Resource:
    """Decode one JSON object.

    Raises FhirJsonError for oversize input, invalid UTF-8 or JSON, duplicate keys, nesting deeper than `max_depth`,
    anything that is not an object, and where it is to be `printable` for characters that FHIR's strings may not hold.
    """
    if len(raw) > max_bytes:
        raise FhirJsonError(f"{len(raw)} bytes are more than the limit of {max_bytes}")
    if raw.count(b"{") + raw.count(b"[") > max_depth:
        _check_depth(raw, max_depth)
    try:
        value = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(raw, error) from None
    if not isinstance(value, dict):
        raise FhirJsonError(f"expected a JSON object, found {type(value).__name__}", 1, 1)
    if printable:
        _check_text(raw)
    if _may_repeat_a_key(raw, value):
        json.loads(raw, object_pairs_hook=_unique, parse_float=Decimal)
    return value


def encode(value: Any) -> bytes:
    """Encode to compact JSON bytes; decimals are written with the digits they came with."""
    return _encoder.encode(value)


def _check_text(raw: bytes) -> None:
    # nearly every body has none of these bytes, which is found out at once
    suspect = b"\\u" in raw or b"\\b" in raw or b"\\f" in raw or b"\xef\xbf" in raw
    if suspect and (found := _UNPRINTABLE.search(raw)):
        what = "a string holds a character that FHIR does not allow"
        raise FhirJsonError(what, *_place(raw, found.start(1) if found[1] else found.start()))


def _may_repeat_a_key(raw: bytes, value: Resource) -> bool:
    # A key that msgspec dropped as a duplicate makes the input hold more `":` than its re-encoding does. Strings may
    # hold `\":` too, but equally often on both sides, unless the quote was written as an escape or the colon apart.
    if _ESCAPED_QUOTE.search(raw) or _SPACED_COLON.search(raw):
        return True
    return raw.count(b'":') != encode(value).count(b'":')


def _unique(pairs: Iterable[tuple[str, Any]]) -> Resource:
    result: Resource = {}
    for key, value in pairs:
        if key in result:
            raise FhirJsonError(f"the key {key!r} appears twice in one object")
        result[key] = value
    return result


def _check_depth(raw: bytes, max_depth: int) -> None:
    """Raise for brackets nested too deeply. Strings are cut out first; what is left is summed in C, piece by piece."""
    brackets = _STRING.sub(b"", raw).translate(_OPEN_OR_CLOSE, delete=_NO_BRACKETS)
    depth = 0
    for start in range(0, len(brackets), _PIECE):
        depths = list(accumulate(memoryview(brackets[start : start + _PIECE]).cast("b"), initial=depth))
        if max(depths) > max_depth:
            nth = start + next(n for n, level in enumerate(depths) if level > max_depth) - 1
            raise FhirJsonError(f"nested deeper than {max_depth} levels", *_bracket(raw, nth))
        depth = depths[-1]


def _bracket(raw: bytes, nth: int) -> tuple[int, int] | tuple[None, None]:
    """The place of a bracket that is no part of a string, None where it would take long to find."""
    if nth > _MOST_SOUGHT:
        return None, None
    found = (match.start() for match in _STRING_OR_BRACKET.finditer(raw) if match[0][:1] != b'"')
    position = next(islice(found, nth, None), None)
    return _place(raw, position) if position is not None else (None, None)


def _explain(raw: bytes, error: Exception) -> FhirJsonError:
    try:
        json.dumps(json.loads(raw.decode("utf-8")), ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as bad:
        return FhirJsonError("not valid UTF-8", *_place(raw, bad.start))
    except UnicodeEncodeError:
        return FhirJsonError("a string holds half of a surrogate pair")
    except json.JSONDecodeError as bad:
        return FhirJsonError(bad.msg, bad.lineno, bad.colno)
    except RecursionError:
        return FhirJsonError("nested too deeply")
    except ValueError:
        return FhirJsonError("a number has more digits than are read")
    return FhirJsonError(str(error))


def _place(raw: bytes, position: int) -> tuple[int, int]:
    before = raw[:position]
    return before.count(b"\n") + 1, position - (before.rfind(b"\n") + 1) + 1
