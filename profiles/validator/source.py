"""Python source under construction: functions that answer yes or no, and their reporting twins.

The fast function `f_…(o, c)` answers without a path or an allocation. Its twin `r_…(o, p, c)` judges the same, says
each failure to the context `c` with its path, and goes on.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class Source:
    """Lines of one compiled unit. `reports` tells which of the twins is being written."""

    def __init__(self, reports: bool) -> None:
        self.reports = reports
        self._constants: dict[str, str] = {}
        self._functions: list[list[str]] = []
        self._lines: list[str] = []
        self._depth = 0

    def constant(self, expression: str, prefix: str = "K") -> str:
        """The name of a module constant that holds the value of a Python expression."""
        return self._constants.setdefault(expression, f"{prefix}{len(self._constants)}")

    @contextmanager
    def function(self, name: str) -> Iterator[None]:
        """Write one function; nested writing is kept apart. `discard` within it leaves it out."""
        outer, self._lines, depth, self._depth = self._lines, [], self._depth, 1
        self.line(f"def r_{name}(o, p, c):" if self.reports else f"def f_{name}(o, c):", at=0)
        try:
            yield
            if self._lines:
                self.line("return" if self.reports else "return True")
                self._functions.append(self._lines)
        finally:
            self._lines, self._depth = outer, depth

    def discard(self) -> None:
        """Leave the function that is being written out."""
        self._lines.clear()

    def mark(self) -> int:
        """How much of the function is written."""
        return len(self._lines)

    def rewind(self, mark: int) -> None:
        """Forget what was written since `mark`."""
        del self._lines[mark:]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """An indented block under `head`; it gets a `pass` when nothing was written in it."""
        self.line(head)
        self._depth += 1
        before = len(self._lines)
        yield
        if len(self._lines) == before:
            self.line("pass")
        self._depth -= 1

    def line(self, text: str, at: int | None = None) -> None:
        self._lines.append(" " * (self._depth if at is None else at) + text)

    def lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.line(text)

    def bad(self, key: str, path: str, rule: str, value: str = "None", **facts: Any) -> str:
        """The statement for a failed test: the fast function says no, its twin says why. `path` and `value` are
        Python expressions, `facts` values."""
        if not self.reports:
            return "return False"
        return self._say("bad", key, path, rule, value, facts)

    def warn(self, key: str, path: str, rule: str, value: str = "None", **facts: Any) -> str:
        """The statement for a doubt: the fast function notes that there is one, its twin says which."""
        if not self.reports:
            return "c.doubtful = True"
        return self._say("warn", key, path, rule, value, facts)

    def _say(self, method: str, key: str, path: str, rule: str, value: str, facts: dict[str, Any]) -> str:
        tail = f", {self.constant(repr(facts), 'A')}" if facts else ""
        return f"c.{method}({key!r}, {path}, {rule!r}, {value}{tail})"

    def text(self) -> str:
        """The whole module."""
        head = [f"{name} = {expression}" for expression, name in self._constants.items()]
        return "\n".join(head + ["\n".join(lines) for lines in self._functions]) + "\n"
