"""Regular expressions of expressions, kept from running for ever."""

import re
from functools import lru_cache

from profiles.fhirpath.automaton import Automaton, Unsupported, growth
from profiles.fhirpath.dialect import python_regex
from profiles.fhirpath.errors import FHIRPathError

MAX_PATTERN = 2_000
ASK_RE = 1_000_000
"""Steps that Python's `re` may need at worst to be asked for a yes or no; beyond, the automaton is."""
AUTOMATON = 20_000_000
"""Steps that the automaton may need at worst: places in the pattern times characters of the text."""
REPLACE_RE = 100_000_000
"""Steps that it may need at worst to replace; beyond, it is an error."""

_GROUP = re.compile(r"\$(?:(\d+)|\{(\w+)\})")
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE}


class Pattern:
    """A regular expression; `.` matches a line's end too.

    Source: https://hl7.org/fhirpath/N1/#matchesregex--string--boolean.
    """

    def __init__(self, source: str, flags: int) -> None:
        self._compiled = re.compile(source, flags)
        self._growth = growth(source, flags)
        self._short = self._longest(ASK_RE)
        self._automaton: Automaton | None = None

    def search(self, text: str) -> bool:
        """Whether it matches anywhere. Raises FHIRPathError where that could take too long."""
        if len(text) <= self._short:
            return self._compiled.search(text) is not None
        return self._slow_but_sure(text).search(text)

    def fullmatch(self, text: str) -> bool:
        """Whether it matches the whole text. Raises FHIRPathError where that could take too long."""
        if len(text) <= self._short:
            return self._compiled.fullmatch(text) is not None
        return self._slow_but_sure(text).fullmatch(text)

    def replace(self, text: str, substitution: str) -> str:
        """Every match replaced; `$1` and `${name}` stand for groups."""
        if len(text) > self._longest(REPLACE_RE):
            raise FHIRPathError("this regular expression could take too long to replace in this text")
        template = _GROUP.sub(lambda m: rf"\g<{m[1] or m[2]}>", substitution.replace("\\", r"\\"))
        try:
            return self._compiled.sub(template, text)
        except (re.error, IndexError) as error:
            raise FHIRPathError(f"bad substitution: {error}") from None

    def _longest(self, steps: int) -> float:
        """Characters of the longest text that these steps are enough for."""
        if self._growth is None:
            return -1
        ways, power = self._growth
        return float(round((steps / ways) ** (1 / power), 6))

    def _slow_but_sure(self, text: str) -> Automaton:
        if self._automaton is None:
            try:
                self._automaton = Automaton(self._compiled.pattern, self._compiled.flags)
            except Unsupported:
                raise FHIRPathError("this regular expression could take too long on this text") from None
        if self._automaton.size * len(text) > AUTOMATON:
            raise FHIRPathError("this regular expression could take too long on this text")
        return self._automaton


@lru_cache(512)
def pattern(source: str, flags: str = "") -> Pattern:
    """The compiled pattern. Raises FHIRPathError where it is none."""
    if len(source) > MAX_PATTERN:
        raise FHIRPathError(f"a regular expression of {len(source)} characters is longer than {MAX_PATTERN}")
    unknown = set(flags) - _FLAGS.keys()
    if unknown:
        raise FHIRPathError(f"unknown flags {''.join(sorted(unknown))!r}; there are {', '.join(_FLAGS)}")
    try:
        return Pattern(python_regex(source), re.DOTALL | sum(_FLAGS[flag] for flag in flags))
    except (re.error, OverflowError, RecursionError) as error:
        raise FHIRPathError(f"bad regular expression: {error}") from None
