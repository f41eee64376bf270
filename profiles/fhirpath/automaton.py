"""Regular expressions in time that grows only as the text does: a lazily built automaton, for yes-or-no questions.

Python's `re` backtracks, so that `(a+)+$` on forty letters runs for ever. Here sets of places in the pattern are
stepped character by character, and a step made once is remembered. Source: Thompson 1968; Cox, swtch.com/~rsc/regexp.
"""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

_parser: Any = importlib.import_module("re._parser")
_c: Any = importlib.import_module("re._constants")

MAX_PLACES = 5_000
MAX_REMEMBERED = 20_000

Test = Callable[[str], bool]
Core = frozenset[int]

_START, _LINE, _WORD, _OTHER = range(4)  # what stands before the next character


class Unsupported(Exception):
    """The pattern needs backtracking (look-around, back-references) or is too large."""


class Automaton:
    """A pattern as places: each consumes a character that passes a test, asserts something, or splits."""

    def __init__(self, source: str, flags: int) -> None:
        parsed = _parser.parse(source, flags)
        self._flags = parsed.state.flags
        self._tests: list[Test | None] = []
        self._asserts: list[Any] = []
        self._next: list[list[int]] = []
        self._end = self._place()
        self._begin = self._sequence(parsed, self._end)
        self._steps: dict[tuple[Core, int, str], tuple[Core, bool]] = {}

    @property
    def size(self) -> int:
        """The number of places."""
        return len(self._next)

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        return self._run(text, anywhere=True)

    def fullmatch(self, text: str) -> bool:
        """Whether the pattern matches the whole text."""
        return self._run(text, anywhere=False)

    def _run(self, text: str, anywhere: bool) -> bool:
        begin = frozenset((self._begin,))
        core, before, last = begin, _START, len(text) - 1
        for position, char in enumerate(text):
            symbol = "\n$" if position == last and char == "\n" else char
            core, done = self._step(core, before, symbol)
            if anywhere:
                if done:
                    return True
                core |= begin
            elif not core:
                return False
            before = _LINE if char == "\n" else _WORD if char.isalnum() or char == "_" else _OTHER
        return self._step(core, before, "")[1]

    def _step(self, core: Core, before: int, symbol: str) -> tuple[Core, bool]:
        """The places after `symbol` ("" is the end of the text, "\\n$" a line's end that ends it), and whether the
        pattern had matched before it."""
        key = (core, before, symbol)
        found = self._steps.get(key)
        if found is None:
            if len(self._steps) >= MAX_REMEMBERED:
                self._steps.clear()
            reached = self._reach(core, before, symbol)
            char = symbol[:1]
            after = [self._next[p] for p in reached if char and (test := self._tests[p]) is not None and test(char)]
            found = self._steps[key] = (frozenset(p for places in after for p in places), self._end in reached)
        return found

    def _reach(self, core: Core, before: int, symbol: str) -> set[int]:
        reached: set[int] = set()
        pending = list(core)
        while pending:
            place = pending.pop()
            if place in reached:
                continue
            reached.add(place)
            if self._tests[place] is None and self._holds(self._asserts[place], before, symbol):
                pending.extend(self._next[place])
        return reached

    def _holds(self, assertion: Any, before: int, symbol: str) -> bool:
        if assertion is None:
            return True
        multiline = bool(self._flags & _c.SRE_FLAG_MULTILINE)
        if assertion in (_c.AT_BEGINNING, _c.AT_BEGINNING_STRING):
            return before == _START or (before == _LINE and multiline and assertion is _c.AT_BEGINNING)
        if assertion is _c.AT_END_STRING:
            return symbol == ""
        if assertion is _c.AT_END:
            return symbol in ("", "\n$") or (multiline and symbol == "\n")
        boundary = (before == _WORD) is not (symbol[:1].isalnum() or symbol[:1] == "_")
        return boundary is (assertion is _c.AT_BOUNDARY)

    def _place(self, next_: Iterable[int] = (), test: Test | None = None, assertion: Any = None) -> int:
        if len(self._next) >= MAX_PLACES:
            raise Unsupported
        self._tests.append(test)
        self._asserts.append(assertion)
        self._next.append(list(next_))
        return len(self._next) - 1

    def _sequence(self, parts: Any, after: int) -> int:
        for operation, argument in reversed(list(parts)):
            after = self._part(operation, argument, after)
        return after

    def _part(self, operation: Any, argument: Any, after: int) -> int:
        if operation is _c.BRANCH:
            return self._place([self._sequence(branch, after) for branch in argument[1]])
        if operation is _c.SUBPATTERN and not argument[1] and not argument[2]:
            return self._sequence(argument[3], after)
        if operation in (_c.MAX_REPEAT, _c.MIN_REPEAT):
            least, most, body = argument
            return self._repeat(least, most, body, after)
        if operation is _c.AT:
            known = (_c.AT_BEGINNING, _c.AT_BEGINNING_STRING, _c.AT_END, _c.AT_END_STRING, _c.AT_BOUNDARY)
            if argument in (*known, _c.AT_NON_BOUNDARY):
                return self._place([after], assertion=argument)
            raise Unsupported
        return self._place([after], test=self._test(operation, argument))

    def _repeat(self, least: int, most: Any, body: Any, after: int) -> int:
        if most is _c.MAXREPEAT:
            loop = self._place([after])
            self._next[loop].append(self._sequence(body, loop))
            after = loop
        else:
            for _ in range(most - least):
                after = self._place([after, self._sequence(body, after)])
        for _ in range(least):
            after = self._sequence(body, after)
        return after

    def _test(self, operation: Any, argument: Any) -> Test:
        if operation is _c.ANY:
            return (lambda char: True) if self._flags & _c.SRE_FLAG_DOTALL else (lambda char: char != "\n")
        if operation is _c.IN:
            negated = bool(argument) and argument[0][0] is _c.NEGATE
            tests = [self._test(*part) for part in argument[negated:]]
            return lambda char: any(test(char) for test in tests) is not negated
        if operation is _c.CATEGORY and argument in _CATEGORIES:
            return _CATEGORIES[argument]
        if operation not in (_c.LITERAL, _c.NOT_LITERAL, _c.RANGE):
            raise Unsupported
        low, high = argument if operation is _c.RANGE else (argument, argument)
        wanted = operation is not _c.NOT_LITERAL
        if not self._flags & _c.SRE_FLAG_IGNORECASE:
            return lambda char: (low <= ord(char) <= high) is wanted
        return lambda char: (
            any(low <= ord(c) <= high for c in {char, *_one(char.lower()), *_one(char.upper())}) is wanted
        )


def _one(text: str) -> str:
    return text if len(text) == 1 else ""


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


_CATEGORIES: dict[Any, Test] = {
    _c.CATEGORY_DIGIT: str.isdecimal,
    _c.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    _c.CATEGORY_SPACE: str.isspace,
    _c.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    _c.CATEGORY_WORD: _is_word,
    _c.CATEGORY_NOT_WORD: lambda char: not _is_word(char),
}


Growth = tuple[int, int]
"""Steps that backtracking may take: the first times the text's length to the power of the second."""
MAX_WAYS = 10**8
_LARGE = 10


def growth(source: str, flags: int) -> Growth | None:
    """How a backtracking search may grow; None where it may explode."""
    found = _growth(_parser.parse(source, flags))
    return None if found is None else (found[0], found[1] + 1)


def _growth(parts: Any) -> Growth | None:
    ways, power = 1, 0
    for operation, argument in parts:
        found = _part_growth(operation, argument)
        if found is None or ways * found[0] > MAX_WAYS:
            return None
        ways, power = ways * found[0], power + found[1]
    return ways, power


def _part_growth(operation: Any, argument: Any) -> Growth | None:
    if operation in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
        return _repeat_growth(*argument)
    if operation is _c.BRANCH:
        branches = [_growth(branch) for branch in argument[1]]
        known = [branch for branch in branches if branch is not None]
        worst = max((power for _, power in known), default=0)
        return (sum(ways for ways, _ in known), worst) if len(known) == len(branches) else None
    if operation is _c.SUBPATTERN:
        return _growth(argument[3])
    if operation in (_c.ASSERT, _c.ASSERT_NOT):
        return _growth(argument[1])
    return None if operation in (_c.GROUPREF, _c.GROUPREF_EXISTS) else (1, 0)


def _repeat_growth(least: int, most: Any, body: Any) -> Growth | None:
    inner = _growth(body)
    if inner is None:
        return None
    if most is not _c.MAXREPEAT and most <= _LARGE:
        ways = inner[0] ** most * (most - least + 1)
        return (ways, inner[1] * most) if ways <= MAX_WAYS else None
    # A large repeat of something that itself varies can split a text in more ways than can be tried.
    shortest, longest = body.getwidth()
    return None if inner != (1, 0) or shortest != longest else (1, 1 if most != least else 0)
