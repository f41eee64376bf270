"""The shortest way to a "nothing is wrong": the tree of a resource type's rules as one generated Python function.

It answers True only where no rule of the tree is broken, and keeps no places. Wherever it is in doubt it answers False,
and the tree itself is walked, which reports.
"""

from collections.abc import Callable, Iterator
from typing import Any

from profiles.rules.book import Rule
from profiles.rules.checks import EARLIEST, plain_reference, utc_instant
from profiles.rules.coded import listed_codes
from profiles.rules.findings import Judgement
from profiles.rules.tree import ABSENT, Node, lacks

Fast = Callable[[dict[str, Any], Judgement], bool]


def compile_fast(resource_type: str, top: Node) -> Fast:
    """The generated function: `(resource, judgement) -> bool`."""
    writer = _Writer()
    lines = [
        "def fast(v0, judgement):",
        " before, now = len(judgement.found), judgement.now",
        " try:",
        *writer.node(top, 0, 2, []),
        "  pass",
        " except (TypeError, KeyError, AttributeError):",  # not of R4's shape
        "  return False",
        " return len(judgement.found) == before",
    ]
    exec(compile("\n".join(lines), f"<rules of {resource_type}>", "exec"), writer.names)  # noqa: S102 - our own text
    made: Fast = writer.names["fast"]
    return made


class _Writer:
    """Lines of the function, and the constants they name."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"absent": ABSENT, "lacks": lacks, "utc": utc_instant}

    def name(self, value: Any) -> str:
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def node(self, node: Node, level: int, indent: int, above: list[Node]) -> Iterator[str]:
        """What is demanded of the value `v{level}` and of all below it."""
        value, pad = f"v{level}", " " * indent
        for rule, check in node.checks:
            quick = _QUICK.get(rule.check)
            if quick is None:
                yield f"{pad}{self.name(check)}({value}, None, judgement)"
            else:
                yield f"{pad}if not ({quick(self, rule, value)}): return False"
        for keys, _ in node.needs:
            yield f"{pad}if {' and '.join(self._absent(value, key) for key in keys)}: return False"
        for key, child in node.children.items():
            yield f"{pad}w{level} = {value}.get({key!r})"
            yield f"{pad}if w{level} is not None:"
            yield f"{pad} for v{level + 1} in w{level} if w{level}.__class__ is list else (w{level},):"
            if child is node or child in above:
                yield f"{pad}  {self.name(child)}.run(v{level + 1}, None, judgement)"
            else:
                yield from self.node(child, level + 1, indent + 2, [*above, node])
                yield f"{pad}  pass"
        for number, (name, inner) in enumerate(node.slices.items()):
            yield f"{pad}{'el' if number else ''}if {value}['url'].rpartition('/')[2] == {name!r}:"
            yield from self.node(inner, level, indent + 1, [*above, node])
            yield f"{pad} pass"

    def _absent(self, value: str, key: str) -> str:
        return f"lacks({value}, {key!r})" if ":" in key else f"{value}.get({key!r}) in absent"


def _instant(writer: _Writer, rule: Rule, value: str) -> str:
    ahead = "" if rule.args.get("future") else f" and {value} <= now"
    return f"{value}.__class__ is str and utc({value}) and {rule.args.get('after', EARLIEST)!r} <= {value}{ahead}"


def _code(writer: _Writer, rule: Rule, value: str) -> str:
    return f"{value} in {writer.name(listed_codes(rule.args['values']))}"


def _reference(writer: _Writer, rule: Rule, value: str) -> str:
    return f"{writer.name(plain_reference(rule.args.get('targets', ())))}({value}['reference'])"


def _required(writer: _Writer, rule: Rule, value: str) -> str:
    return f"{value}.__class__ is not str or {value}.strip()"


_QUICK = {"instant": _instant, "code": _code, "reference": _reference, "required": _required}
"""Checks that are a condition in the text; every other one is called."""
