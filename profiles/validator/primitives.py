"""What each primitive type may hold: a Python condition, and the patterns that it names.

Source: https://hl7.org/fhir/R4/datatypes.html#primitive. The patterns are R4's, made linear and calendar-aware
(30 February is no date); the pattern of base64Binary as published can take exponential time.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

MAX_STRING = 1024 * 1024
"""Characters of a string (R4: strings shall not exceed 1 MB)."""

_YEAR = r"(?!0000)[0-9]{4}"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
# Days of years with four digits, 29 February apart: tried first, and told without going back far.
_USUAL_DAY = (
    r"[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)"
)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_UUID = r"urn:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_OID = r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"
_URI = rf"(?!urn:(?:uuid|oid):)\S+|(?:{_UUID}|{_OID})(?:[|#]\S*)?"

PATTERNS = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "code": r"\S+(?:\s\S+)*",
    "uri": _URI,
    "url": _URI,
    "canonical": r"\S+",
    "oid": _OID,
    "uuid": _UUID.replace("A-F", ""),
    "date": rf"{_USUAL_DAY}|{_DAY}|{_YEAR}(?:-(?:0[1-9]|1[0-2]))?",
    "dateTime": rf"{_USUAL_DAY}(?:T{_CLOCK}{_ZONE})?|{_DAY}(?:T{_CLOCK}{_ZONE})?|{_YEAR}(?:-(?:0[1-9]|1[0-2]))?",
    "instant": rf"{_USUAL_DAY}T{_CLOCK}{_ZONE}|{_DAY}T{_CLOCK}{_ZONE}",
    "time": _CLOCK,
}

_TEXT = f"{{v}}.__class__ is str and 0 < len({{v}}) <= {MAX_STRING} and ('<' not in {{v}} or is_harmless({{v}}))"


_KNOWN_TIME = "{v}[16:] in ENDS and {v}[:10] in DAYS and {v}[10:16] in CLOCKS"


def _integer(least: int) -> str:
    return f"{{v}}.__class__ is int and {least} <= {{v}} <= 2147483647"


CONDITIONS = {
    "string": _TEXT,
    "markdown": _TEXT,
    "xhtml": "is_narrative({v}, c)",
    "boolean": "{v} is True or {v} is False",
    "decimal": "{v}.__class__ in NUMBERS",
    "integer": _integer(-2147483648),
    "unsignedInt": _integer(0),
    "positiveInt": _integer(1),
    "base64Binary": "is_base64({v})",
    **{name: f"{{v}}.__class__ is str and M_{name}({{v}})" for name in PATTERNS},
    # asking for white space first answers for nearly all, at a third of the cost of the pattern
    **dict.fromkeys(
        ("uri", "url"), "{v}.__class__ is str and ({v}[:4] != 'urn:' and {v}.split() == [{v}] or M_uri({v}))"
    ),
    "date": "{v}.__class__ is str and ({v} in DAYS or is_date({v}))",
    **{name: f"{{v}}.__class__ is str and ({_KNOWN_TIME} or is_{name}({{v}}))" for name in ("dateTime", "instant")},
    "id": "{v}.__class__ is str and ({v}.replace('-', '').isalnum() and {v}.isascii() and len({v}) <= 64 or M_id({v}))",
    "canonical": "{v}.__class__ is str and {v}.split() == [{v}]",
    "code": "{v}.__class__ is str and ({v}.split() == [{v}] or M_code({v}))",
}
"""Primitive type → Python condition over `{v}`; the names in it are those of `NAMES` and of the runtime."""

_BLANK = ("blank-string", "{v}.isspace()")
DOUBTS = {
    "string": _BLANK,
    "markdown": _BLANK,
    "canonical": ("canonical-relative", "':' not in {v} and {v}[:1] != '#'"),
}
"""Primitive type → (message key, condition) of what R4 advises against for a value that it allows."""

ABSOLUTE = frozenset({"Coding.system", "Identifier.system", "Quantity.system"})
"""Elements whose uri must be absolute."""
NAMING = "{v}.__class__ is str and ({v} in NAMED or is_named({v}))"
"""The condition of a uri that names one of few things: what was found good is remembered."""

_script = re.compile(r"<\s*+/?\s*+(?:script|iframe|object|embed)\b|<[^<>]*\son\w++\s*+=", re.IGNORECASE).search


def is_harmless(v: str) -> bool:
    """True for text without active HTML."""
    return _script(v[:MAX_STRING]) is None


_base64 = re.compile(r"[0-9A-Za-z+/]*={0,2}").fullmatch


def is_base64(v: Any) -> bool:
    """Base64 with white space anywhere."""
    if v.__class__ is not str:
        return False
    packed = "".join(v.split())
    return bool(packed) and len(packed) % 4 == 0 and _base64(packed) is not None


DAYS: set[str] = set()
CLOCKS: set[str] = set()
ENDS: set[str] = set()
"""Parts of instants that were found good, in any combination of one each: days, hours with minutes, the rest."""


def is_date(v: str) -> bool:
    if _date(v) is None:
        return False
    if len(v) == 10:
        _keep(DAYS, v)
    return True


def is_dateTime(v: str) -> bool:
    if v in DAYS:
        return True
    return _is_time(v, _datetime)


def is_instant(v: str) -> bool:
    return _is_time(v, _instant)


_date, _datetime, _instant = (re.compile(PATTERNS[name]).fullmatch for name in ("date", "dateTime", "instant"))


def _is_time(v: str, matches: Callable[[str], object]) -> bool:
    if not matches(v):
        return False
    if v[19:20] not in ("", "."):  # fractions are too many to remember
        for memory, part in ((DAYS, v[:10]), (CLOCKS, v[10:16]), (ENDS, v[16:])):
            _keep(memory, part)
    return True


def _keep(memory: set[str], v: str) -> None:
    if len(memory) >= MANY:
        memory.clear()
    memory.add(v)


NAMED: set[str] = set()
MANY, LONG = 4096, 256
"""How many values are remembered, and of how many characters."""


def is_named(v: str) -> bool:
    """True for a uri, which is remembered."""
    if not satisfies("uri", v):
        return False
    if len(v) <= LONG:
        _keep(NAMED, v)
    return True


NAMES: dict[str, Any] = {
    "CLOCKS": CLOCKS,
    "DAYS": DAYS,
    "ENDS": ENDS,
    "NAMED": NAMED,
    "NUMBERS": frozenset({int, Decimal, float}),
    "is_base64": is_base64,
    "is_date": is_date,
    "is_dateTime": is_dateTime,
    "is_harmless": is_harmless,
    "is_instant": is_instant,
    "is_named": is_named,
    **{f"M_{name}": re.compile(pattern).fullmatch for name, pattern in PATTERNS.items()},
}

EXAMPLES = {
    "date": "1990-12-31",
    "dateTime": "2026-01-31T08:30:00+07:00",
    "instant": "2026-01-31T08:30:00.000+07:00",
    "time": "08:30:00",
    "boolean": "true",
    "integer": "12",
    "positiveInt": "1",
    "unsignedInt": "0",
    "decimal": "36.5",
    "id": "abc-123",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "oid": "urn:oid:1.2.3.4.5",
    "base64Binary": "R2FwdXJh",
    "uri": "http://example.org/x",
    "url": "http://example.org/x",
    "canonical": "http://example.org/x",
}
"""What a value of the type looks like, for messages."""


def satisfies(type_: str, v: Any) -> bool:
    """True where `v` is a valid value of the primitive type (any but xhtml)."""
    return _checks(type_)(v)


def _checks(type_: str) -> Callable[[Any], bool]:
    if type_ not in _compiled:
        # the conditions of the table above; the one of xhtml needs a context and is not asked for here
        _compiled[type_] = eval(f"lambda v: bool({CONDITIONS[type_].format(v='v')})", dict(NAMES))  # noqa: S307
    return _compiled[type_]


_compiled: dict[str, Callable[[Any], bool]] = {}
