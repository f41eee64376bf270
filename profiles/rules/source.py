"""The tree of a resource type's rules as one generated Python function: `(resource, judgement) -> None`.

What is right passes by inlined conditions, without a call, a path or an allocation; where a condition fails, the check
itself is called with the place, and reports. Values that are not of R4's shape meet the checks too, and are passed over
where only their inside would matter: the base tier says what is wrong with them.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from profiles.fhirjson import Resource
from profiles.fhirpath import typed
from profiles.fhirpath.model import Type, fhir_type
from profiles.rules.book import Rule
from profiles.rules.check import Check
from profiles.rules.checks import utc_instant
from profiles.rules.findings import Judgement, Place
from profiles.rules.tree import EMPTY, Node, lacks

Judge = Callable[[Resource, Judgement], None]


def compile_judge(resource_type: str, top: Node, conditions: Iterable[tuple[str, Judge]]) -> Judge:
    """The judge of a resource type. `conditions`: FHIRPath that must be true, and what reports where it is not."""
    writer = _Writer()
    main = ["def judge(o, j):", " now = j.now", *writer.inside(top, fhir_type(resource_type), "o", "None", 1)]
    for expression, report in conditions:
        main += writer.condition(expression, resource_type, report)
    lines = [line for function in (*writer.functions, main) for line in function]
    exec(compile("\n".join(lines), f"<rules of {resource_type}>", "exec"), writer.names)  # noqa: S102 - our own text
    made: Judge = writer.names["judge"]
    return made


class _Writer:
    """Lines of the function, the functions of elements that hold themselves, and the constants that they name."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {
            **typed.NAMES,
            "BAILS": typed.BAILS,
            "Decimal": Decimal,
            "EMPTY": EMPTY,
            "lacks": lacks,
            "utc": utc_instant,
        }
        self.functions: list[list[str]] = []
        self._own: dict[int, str] = {}
        self._count = 0

    def name(self, value: Any, prefix: str = "k") -> str:
        """The name under which the function finds a constant."""
        name = self.fresh(prefix)
        self.names[name] = value
        return name

    def fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def element(self, node: Node, type_: Type | None, v: str, place: str, depth: int) -> Iterator[str]:
        """Judge the value `v` of an element."""
        pad = " " * depth
        if node.within_itself():
            yield f"{pad}{self.own(node, type_)}({v}, {place}, j)"
            return
        for rule, check in node.checks:
            yield from self.check(rule, check, v, place, pad)
        if node.needs or node.children or node.slices:
            yield f"{pad}if {v}.__class__ is dict:"
            yield from self.inside(node, type_, v, place, depth + 1)

    def check(self, rule: Rule, check: Check, v: str, place: str, pad: str) -> Iterator[str]:
        call = f"{self.name(check.report)}({v}, {place}, j)"
        if check.quick is None:
            yield pad + call
        else:
            yield f"{pad}if not ({check.quick.format(*map(self.name, check.uses), v=v)}): {call}"

    def own(self, node: Node, type_: Type | None) -> str:
        """The name of the function of an element that may hold itself."""
        if id(node) not in self._own:
            name = self._own[id(node)] = self.fresh("f")
            lines = [f"def {name}(v, p, j):", " now = j.now"]
            for rule, check in node.checks:
                lines += self.check(rule, check, "v", "p", " ")
            lines += [" if v.__class__ is dict:", *self.inside(node, type_, "v", "p", 2)]
            self.functions.append(lines)
        return self._own[id(node)]

    def inside(self, node: Node, type_: Type | None, v: str, place: str, depth: int) -> Iterator[str]:
        """What is demanded of the object `v`, and all below it."""
        pad = " " * depth
        missed = [(keys, self.name(_miss(rule, keys[0]))) for keys, rule in node.needs]
        for keys, miss in missed:
            if len(keys) > 1 or ":" in keys[0]:
                quick = " and ".join(f"not {v}.get({key!r})" for key in keys if ":" not in key)
                yield f"{pad}if {quick}{' and ' if quick else ''}lacks({v}, {keys!r}): {miss}({place}, j)"
        alone = [(keys[0], miss) for keys, miss in missed if len(keys) == 1 and ":" not in keys[0]]
        for key in dict.fromkeys([key for key, _ in alone] + list(node.children)):
            x = self.fresh("x")
            yield f"{pad}{x} = {v}.get({key!r})"
            calls = [f"{miss}({place}, j)" for needed, miss in alone if needed == key]
            if calls:
                yield f"{pad}if not {x} and {x}.__class__ in EMPTY: {'; '.join(calls)}"
            if key in node.children:
                yield f"{pad}{'el' if calls else ''}if {x} is not None:"
                yield from self.child(node.children[key], type_, key, x, place, depth + 1)
        yield from self.sliced(node, type_, v, place, depth)
        yield f"{pad}pass"

    def child(self, node: Node, owner: Type | None, key: str, x: str, place: str, depth: int) -> Iterator[str]:
        """Judge what stands under `key`: each item where R4 has a list there."""
        pad, element = " " * depth, owner.key_elements.get(key) if owner else None
        type_ = next((t for name, t in element.keys if name == key and not t.open), None) if element else None
        if element is not None and element.many:
            i, item = self.fresh("i"), self.fresh("v")
            yield f"{pad}for {i}, {item} in enumerate({x} if {x}.__class__ is list else ({x},)):"
            yield from self.element(node, type_, item, f"({place}, {key!r}, {i})", depth + 1)
        else:
            yield from self.element(node, type_, x, f"({place}, {key!r}, -1)", depth)

    def sliced(self, node: Node, type_: Type | None, v: str, place: str, depth: int) -> Iterator[str]:
        """The rules of extensions by name: what follows the last slash of their url."""
        pad = " " * depth
        for name, inner in node.slices.items():
            url = self.fresh("u")
            yield f"{pad}{url} = {v}.get('url')"
            yield f"{pad}if {url} == {name!r} or ({url}.__class__ is str and {url}.endswith({'/' + name!r})):"
            yield from self.element(inner, type_, v, place, depth + 1)
            yield f"{pad} pass"

    def condition(self, expression: str, resource_type: str, report: Judge) -> Iterator[str]:
        """A condition of FHIRPath on the whole resource: as Python where types decide it, else by its closures."""
        call = f"{self.name(report)}(o, j)"
        inline = typed.condition(expression, resource_type, "o", "o", "o", self.constant, "q_")
        if inline is None:
            yield f" {call}"
        else:
            yield from (" try:", f"  if not ({inline}): {call}", f" except BAILS: {call}")

    def constant(self, text: str) -> str:
        return self.name(eval(text, self.names), "c")  # noqa: S307 - our own text


def _miss(rule: Rule, key: str) -> Callable[[Place, Judgement], None]:
    """What reports that `key` is missing."""
    severity = rule.args.get("severity", "error")
    when = tuple(rule.args.get("when", {}).items())
    problem, facts = "missing", {}
    if rule.check == "reference":
        problem, facts = "reference-absent", {"targets": ", ".join(rule.args.get("targets", ())) or "*"}

    def miss(place: Place, judgement: Judgement) -> None:
        if all(judgement.root.get(name) == wanted for name, wanted in when):
            judgement.report(rule, problem, (place, key.partition(":")[0], -1), None, severity, **facts)

    return miss
