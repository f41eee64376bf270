"""How a value looks in the search index, and how the same value looks when it is asked for.

Index and query must agree to the letter, so both sides come here. Source: https://hl7.org/fhir/R4/search.html
"""

import hashlib
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Context, Decimal
from functools import lru_cache
from typing import NamedTuple

from profiles import definitions, ucum

LONGEST = 400
"""Characters of a code, id or uri that are kept; what is longer ends in its hash (a b-tree entry has a limit)."""
LARGEST = 1_000
"""Digits of a number that is indexed."""
NO_SYSTEM = 0
UCUM_SYSTEM = "http://unitsofmeasure.org"
CURRENCY_SYSTEM = "urn:iso:std:iso:4217"
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
OFFSETS = {"Z": 20, "+": 25, "-": 25}
"""What may stand behind `2026-01-31T08:00:00` → the length of the whole."""
_SECOND = timedelta(seconds=1)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,6})?", re.ASCII)


class Span(NamedTuple):
    """The instants that a date of limited precision may mean: `low` included, `high` not."""

    low: datetime
    high: datetime


@lru_cache(4096)
def system_number(uri: str) -> int:
    """A code system's number in the index: 63 bits of its hash, never NO_SYSTEM."""
    return int.from_bytes(hashlib.blake2b(uri.encode(), digest_size=8).digest(), "big") >> 1 or 1


@lru_cache(4096)
def exact(system: str) -> bool:
    """Whether the codes of a system are known to differ by their case; in doubt they do not
    (https://hl7.org/fhir/R4/search.html#token)."""
    return system in EXACT_SYSTEMS or bool((definitions.code_system(system) or {}).get("caseSensitive"))


EXACT_SYSTEMS = frozenset({UCUM_SYSTEM})


def code_of(system: str, code: str) -> str:
    """A code as the index holds it."""
    return squeezed(code if exact(system) else code.lower())


def contact(text: str) -> str:
    """A telephone number without what parts its digits, an address without its case."""
    bare = _SEPARATORS.sub("", text)
    return bare if bare.isdigit() or bare[1:].isdigit() else text.lower()


_SEPARATORS = re.compile(r"[\s().\-/]")


def squeezed(text: str) -> str:
    """The text itself, or its beginning and its hash where it is long. PostgreSQL knows no NUL."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}#{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def plain(text: str) -> str:
    """Without case and accents: `"Bùdi"` → `"budi"`."""
    if text.isascii():
        text = text.lower()
    else:
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return text.replace("\x00", "")


def folded(text: str) -> str:
    """Without case, accents, punctuation and superfluous space: `"  Bùdi  SANTOSO, S.Ked"` → `"budi santoso s ked"`."""
    text = plain(text)
    if not text.isalnum():
        text = " ".join(_BETWEEN.sub(" ", _WITHIN.sub("", text)).split())
    return text


_WITHIN = re.compile("['’`´]")
"""Punctuation within a word: O'Brien is OBrien."""
_BETWEEN = re.compile(r"[\W_]+")


def words(text: str) -> list[str]:
    """What a folded text of several words may also be found by: its end from each further word on."""
    return [text[position + 1 :] for position, sign in enumerate(text) if sign == " "]


_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        ("oe", "u"),  # the spelling before 1972: Soekarno, Djoko, Tjahjo, Chairil, Sjahrir
        ("tj", "c"),
        ("dj", "z"),
        ("nj", "ny"),
        ("sj", "sy"),
        ("(?<![aiueo])ch|kh", "h"),
        ("ph|v|w", "f"),
        ("dh", "d"),
        ("th", "t"),
        ("q|ck|ch", "k"),
        ("x", "ks"),
        ("j", "y"),
        ("z", "y"),
        (r"(.)\1+", r"\1"),
        ("(?<=[^ ])[aiueohy]", ""),
    )
)


def phonetic(text: str) -> str:
    """How a name sounds, as Indonesian ears and spellings have it: `"Soekarno"`, `"Sukarno"` → `"skrn"`.

    Vowels count only where a word begins with one; what is written twice is heard once.
    """
    text = folded(text)
    for pattern, sound in _SOUNDS:
        text = pattern.sub(sound, text)
    return text


def span(text: str, zone: tzinfo) -> Span | None:
    """The instants of a FHIR date, dateTime or instant; without an offset it is meant in `zone`. None: not a date."""
    if text[4:19:3] == "--T::" and text[19:20] in OFFSETS and len(text) == OFFSETS[text[19]]:
        try:  # what nearly every dateTime looks like
            second_of = datetime.fromisoformat(text).astimezone(UTC)
            return Span(second_of, second_of + _SECOND)
        except (ValueError, OverflowError):
            pass  # a leap second, the end of time, or no date
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        if hour is None:
            low = datetime(int(year), int(month or 1), int(day or 1), tzinfo=zone)
            return Span(low.astimezone(UTC), _after(low, month, day).astimezone(UTC))
        leap = second == "60"
        micros = int(((fraction or "") + "000000")[:6])
        clock = (int(hour) % 24 if hour == "24" else int(hour), int(minute), 59 if leap else int(second or 0), micros)
        low = datetime(int(year), int(month), int(day), *clock, tzinfo=_offset(offset, zone))
        low = (low + timedelta(days=hour == "24", seconds=leap)).astimezone(UTC)
        width = (
            timedelta(minutes=1) if second is None else timedelta(microseconds=10 ** max(0, 6 - len(fraction or "")))
        )
        return Span(low, low + width)
    except OverflowError:
        return Span(EARLIEST, EARLIEST) if int(year) < 2 else Span(LATEST, LATEST)
    except ValueError:
        return None


def _after(low: datetime, month: str | None, day: str | None) -> datetime:
    if day is not None:
        return low + timedelta(days=1)
    if month is not None and low.month < 12:
        return low.replace(month=low.month + 1)
    return LATEST if low.year == 9999 else low.replace(year=low.year + 1, month=1)


def _offset(offset: str | None, zone: tzinfo) -> tzinfo:
    if offset is None:
        return zone
    if offset == "Z":
        return UTC
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])))


def number(text: str) -> Decimal | None:
    """A FHIR decimal, or None for what is none or too large to compare."""
    return comparable(Decimal(text)) if _NUMBER.fullmatch(text) else None


def comparable(value: Decimal | int) -> Decimal | None:
    """The number, or None where it has more than LARGEST digits before or after the point."""
    value = Decimal(value)
    return value if abs(value.adjusted()) <= LARGEST and len(str(value)) <= LARGEST else None


def precision(value: Decimal) -> Decimal:
    """Half a unit of the last digit that was written: 100 → 0.5, 100.00 → 0.005. Where the exponent hides it, one digit
    more is meant than was written: 1e2 → 5 (so the table in https://hl7.org/fhir/R4/search.html#number)."""
    exponent = int(value.as_tuple().exponent)
    return Decimal(5).scaleb(exponent - 1 if exponent <= 0 else exponent - 2)


_ROUNDED = Context(prec=24)


@lru_cache(4096)
def _scale(code: str) -> tuple[Decimal, Decimal, str] | None:
    # Linear units only need their factor and offset once; canonical() itself works with exact fractions.
    try:
        zero, unit = ucum.canonical(Decimal(0), code)
        one, _ = ucum.canonical(Decimal(1), code)
        two, _ = ucum.canonical(Decimal(2), code)
    except (ucum.UcumError, ArithmeticError, ValueError):
        return None
    return (one - zero, zero, unit) if two - one == one - zero else None


def in_base_units(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """The amount in UCUM base units; None where the unit is unknown, or not linear in them (pH, dB)."""
    scale = _scale(code)
    if scale is None or not value.is_finite():
        return None
    factor, offset, unit = scale
    # the last digits are no part of a factor such as 1/60: 30 /min and 0.5 /s are the same
    return _ROUNDED.plus(value * factor + offset), unit
