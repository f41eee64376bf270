r"""Regular expressions in Python's dialect: `(?<name>…)`, `\p{L}`, `\z` as XML Schema, PCRE and .NET write them.

Source: https://www.w3.org/TR/xmlschema11-2/#regexs, which FHIRPath recommends.
"""

import re
import unicodedata
from functools import cache
from itertools import groupby

from profiles.fhirpath.errors import FHIRPathError

_FOREIGN = re.compile(r"\(\?<[A-Za-z_]|\\[pPz]")
_PART = re.compile(r"\\(?P<p>[pP])\{(?P<category>\w+)\}|\\(?P<escaped>.)|(?P<group>\(\?<)(?![=!])|[\[\]]", re.DOTALL)


def python_regex(source: str) -> str:
    """The pattern as `re` takes it. Raises FHIRPathError for an unknown category."""
    if not _FOREIGN.search(source):
        return source
    within = False

    def translate(match: re.Match[str]) -> str:
        nonlocal within
        if match["p"]:
            ranges = _ranges(match["category"], match["p"] == "p")
            return ranges if within else f"[{ranges}]"
        if match["group"]:
            return match[0] if within else "(?P<"
        if match["escaped"]:
            return r"\Z" if match["escaped"] == "z" else match[0]
        within = match[0] == "[" if not within else match[0] != "]"
        return match[0]

    return _PART.sub(translate, source)


@cache
def _ranges(category: str, wanted: bool) -> str:
    """The inside of a character class that holds the characters of a category, or all others."""
    if not any(known.startswith(category) for known, _, _ in _runs()):
        raise FHIRPathError(f"there is no category \\p{{{category}}} of characters here")
    runs = [(low, high) for known, low, high in _runs() if known.startswith(category) is wanted]
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in runs)


@cache
def _runs() -> list[tuple[str, int, int]]:
    """General category, first and last character of every run of characters alike."""
    found, begin = [], 0
    for known, run in groupby(map(unicodedata.category, map(chr, range(0x110000)))):
        end = begin + sum(1 for _ in run)
        found.append((known, begin, end - 1))
        begin = end
    return found
