"""Regular expressions of expressions, kept from running for ever."""

import re
from functools import lru_cache
from typing import NamedTuple

from profiles.fhirpath.errors import FHIRPathError

MAX_PATTERN = 2_000
_GROUP = re.compile(r"\$(?:(\d+)|\{(\w+)\})")
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE}


class Pattern(NamedTuple):
    """A compiled regular expression; `.` matches a line's end too (https://hl7.org/fhirpath/N1/#matchesregex--string--boolean)."""

    compiled: re.Pattern[str]

    def search(self, text: str) -> bool:
        """Whether it matches anywhere."""
        return self.compiled.search(text) is not None

    def fullmatch(self, text: str) -> bool:
        """Whether it matches the whole text."""
        return self.compiled.fullmatch(text) is not None

    def replace(self, text: str, substitution: str) -> str:
        """Every match replaced; `$1` and `${name}` stand for groups."""
        template = _GROUP.sub(lambda m: rf"\g<{m[1] or m[2]}>", substitution.replace("\\", r"\\"))
        try:
            return self.compiled.sub(template, text)
        except (re.error, IndexError) as error:
            raise FHIRPathError(f"bad substitution: {error}") from None


@lru_cache(512)
def pattern(source: str, flags: str = "") -> Pattern:
    """The compiled pattern. Raises FHIRPathError where it is none."""
    if len(source) > MAX_PATTERN:
        raise FHIRPathError(f"a regular expression of {len(source)} characters is longer than {MAX_PATTERN}")
    unknown = set(flags) - _FLAGS.keys()
    if unknown:
        raise FHIRPathError(f"unknown flags {''.join(sorted(unknown))!r}; there are {', '.join(_FLAGS)}")
    try:
        return Pattern(re.compile(source, re.DOTALL | sum(_FLAGS[flag] for flag in flags)))
    except (re.error, OverflowError, RecursionError) as error:
        raise FHIRPathError(f"bad regular expression: {error}") from None
