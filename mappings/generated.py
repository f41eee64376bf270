"""A whole template as one Python function, written once, for sources that are as they should be.

The closures of `mappings.language` are what a template means. Most sources need little of it: every reference is a
plain one, every resource is of the type it is expected to be, nothing is missing. For these the template is also
written as plain Python, its FHIRPath inlined (`profiles.fhirpath.typed`). Whatever does not fit, a reason to hold among
it, makes the function give up; the closures then start anew and say what is to be said, with file and line.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from mappings.errors import MappingError
from mappings.expressions import Functions, Scope
from mappings.forms import All, Assigned, Choice, Constant, First, Form, Merge, Object, Single, Template
from mappings.inlined import INLINED, Bound, Expressions, handed_out
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.model import UNTYPED, Type, fhir_type
from profiles.fhirpath.parser import parse
from profiles.fhirpath.syntax import Call
from profiles.fhirpath.typed import BAILS, NAMES, Bail
from profiles.fhirpath.typed.value import Untypable, Value

GIVES_UP: Final = (*BAILS, ArithmeticError, MappingError)
"""What a generated function may raise where the closures must do it."""
Written: TypeAlias = Callable[[Mapping[str, Any], Callable[[], Scope]], Any]
"""A step's variables as Python values, and what makes the scope of them where closures are asked → the product."""
MAX_SOURCE = 200_000
GIVEN = ("trigger", "facility", "options")
"""Variables of every step that expressions are inlined for."""

_GIVEN = ""
_VARIABLE = re.compile(r"%`?(\w+)")


def write(template: Template, forms: Mapping[Template, Form], functions: Functions, on: Sequence[str]) -> Written:
    """The Python of a template: a function that raises one of GIVES_UP; `on` are the types of the resource that calls
    for it. `function.__doc__` is its source."""
    writer = _Writer(forms, functions)
    writer.context(on[0] if len(on) == 1 else "Resource")
    result = writer.into(template)
    lines = [
        "def run(q_given, q_scope):",
        *(f"    {line}" for line in (*writer.prologue, *writer.lines)),
        f"    return {result}",
    ]
    source = "\n".join(lines) + "\n"
    if len(source) > MAX_SOURCE:
        return _gives_up
    exec(compile(source, "<mapping>", "exec"), writer.globals)  # noqa: S102 - written above from a checked template
    made: Written = writer.globals["run"]
    made.__doc__ = source
    return made


class _Writer:
    """Writes statements; a line's indentation is the depth of the choices it stands in."""

    def __init__(self, forms: Mapping[Template, Form], functions: Functions) -> None:
        self.functions = functions
        self.globals: dict[str, Any] = {**NAMES, **INLINED}
        self.prologue: list[str] = []
        self.lines: list[str] = []
        self._forms, self._depth, self._locals = forms, 0, 0
        self._expressions = Expressions(self)

    def context(self, trigger: str) -> None:
        """Bind the variables that every step has."""
        variables = self._expressions.variables
        self.prologue += ["q_index = q_current.get().index"]
        self.prologue.append(f"q_trigger = q_resource(q_given['trigger'], {trigger!r})")
        variables["trigger"] = Bound(_GIVEN, Value("q_trigger", fhir_type(trigger), present="True"))
        for name in GIVEN[1:]:
            self.prologue.append(f"q_{name} = q_given[{name!r}]")
            variables[name] = Bound(_GIVEN, Value(f"(q_{name})", UNTYPED))

    def bind(self, value: Any) -> str:
        """A global name for a value."""
        name = f"q{len(self.globals)}"
        self.globals[name] = value
        return name

    def constant(self, source: str) -> str:
        """A global name for the value of a Python expression."""
        return self.bind(eval(source, self.globals))  # noqa: S307 - our own source, repr of literals only

    def into(self, template: Template, target: str | None = None) -> str:
        """Write what puts the template's value, or UNDEFINED, into a local name; the name."""
        name = target or self._local()
        match self._forms.get(template):
            case Constant(value):
                self._line(f"{name} = {self._literal(value)}")
            case Single(text, empty):
                self._leaf(template, name, text, None if empty is None else "UNDEFINED")
            case All(text):
                self._all(template, name, text)
            case Assigned() as assigned:
                self._scoped(assigned, lambda: self.into(assigned.made, name))
            case Choice(base=None) as choice:
                self._choose(choice, lambda part: self.into(part, name), f"{name} = UNDEFINED")
            case First() as first:
                self._line(f"{name} = UNDEFINED")
                self._pick(first, 0, lambda part: self.into(part, name))
            case Object() | Merge() | Choice():
                self._line(f"{name} = {{}}")
                self._put(template, name)
                self._line(f"if not {name}: {name} = UNDEFINED")
            case _:
                self._line(f"{name} = {self._closure(template)}")
        return name

    def _put(self, template: Template, target: str) -> None:
        """Write what puts the template's keys into the dict `target`."""
        match self._forms.get(template):
            case Object(items):
                for key, child in items:
                    self._entry(key, child, target)
            case Merge(base, parts):
                for part in (base, *parts):
                    self._put(part, target)
            case Choice(base=base) as choice:
                if base is not None:
                    self._put(base, target)
                self._choose(choice, lambda part: self._put(part, target), "pass")
            case First() as first:
                self._pick(first, 0, lambda part: self._put(part, target))
            case Assigned() as assigned:
                self._scoped(assigned, lambda: self._put(assigned.made, target))
            case _:
                self._line(f"q_update({target}, {self.into(template)})")

    def _entry(self, key: str, child: Template, target: str) -> None:
        match self._forms.get(child):
            case Constant(value):
                self._line(f"{target}[{key!r}] = {self._literal(value)}")
            case Single(_, None):
                self._line(f"{target}[{key!r}] = {self.into(child)}")
            case Single(text, _) if (value := self._typed(text)) is not None:
                name = self._local()
                self._line(f"{name} = {self._expressions.first(value)}")
                self._line(f"if {name} is not None: {target}[{key!r}] = {name}")
            case _:
                name = self.into(child)
                self._line(f"if {name} is not UNDEFINED: {target}[{key!r}] = {name}")

    def _literal(self, value: Any) -> str:
        return repr(value) if value.__class__ in (str, bool, int, type(None)) else self.bind(value)

    # Leaves -----------------------------------------------------------------------------------------------------------

    def _leaf(self, template: Template, name: str, text: str, empty: str | None) -> None:
        value = self._typed(text)
        if value is None:
            self._line(f"{name} = {self._closure(template, text)}")
            return
        self._line(f"{name} = {self._expressions.first(value)}")
        if empty is not None and not _is_needed(text):
            self._line(f"if {name} is None: {name} = {empty}")

    def _all(self, template: Template, name: str, text: str) -> None:
        value = self._typed(text)
        made = f"{self._expressions.focus(value)} or UNDEFINED" if value is not None else self._closure(template, text)
        self._line(f"{name} = {made}")

    def _typed(self, text: str) -> Value | None:
        try:
            return self._expressions.value(parse(text), self._expressions.root)
        except (Untypable, FHIRPathError):
            return None

    def _closure(self, closure: Callable[[Scope], Any], text: str | None = None) -> str:
        names = self._expressions.variables if text is None else set(_VARIABLE.findall(text))
        read = {name: bound for name, bound in self._expressions.variables.items() if name in names}
        variables = ", ".join(f"{name!r}: {bound.items}" for name, bound in read.items() if bound.items != _GIVEN)
        return f"{self.bind(closure)}(q_inner(q_scope(), {{{variables}}}))"

    # Blocks -----------------------------------------------------------------------------------------------------------

    def _choose(self, choice: Choice, write: Callable[[Template], Any], otherwise: str) -> None:
        self._line(f"if {self._condition(choice.text, choice.holds)}:")
        self._inner(lambda: write(choice.then))
        self._line("else:")
        self._inner(lambda: write(choice.other) if choice.other is not None else self._line(otherwise))

    def _pick(self, first: First, at: int, write: Callable[[Template], Any]) -> None:
        if at == len(first.rows):
            self._line("pass")
            return
        text, holds, then = first.rows[at]
        self._line(f"if {self._condition(text, holds)}:")
        self._inner(lambda: write(then))
        self._line("else:")
        self._inner(lambda: self._pick(first, at + 1, write))

    def _condition(self, text: str, holds: Callable[[Scope], bool | None]) -> str:
        try:
            return self._expressions.truth(parse(text), self._expressions.root, True)
        except (Untypable, FHIRPathError):
            return self._closure(holds, text)

    def _scoped(self, assigned: Assigned, write: Callable[[], Any]) -> None:
        outer = self._expressions.variables
        self._expressions.variables = dict(outer)
        for step in assigned.steps:
            self._expressions.variables[step.name] = self._assign(step.text, step.first, step.template, step.items)
        write()
        self._expressions.variables = outer

    def _assign(self, text: str | None, first: bool, template: Template | None, items: Callable[[Scope], Any]) -> Bound:
        value = self._typed(text) if text is not None else None
        name = self._local()
        if text is not None and value is not None and value.type is not None and not value.type.primitive:
            kind = value.type
            if first or not value.clauses:
                self._line(f"{name} = {self._expressions.first(value)}")
                if _is_needed(text):
                    return Bound(_items(name, kind, False), Value(name, kind, present="True"))
                return Bound(_items(name, kind, False), Value(f"({name})", kind))
            self._line(f"{name} = {value.listed}")
            return Bound(_items(name, kind, True), Value(name, kind), name)
        if template is not None and (made := self._kind_of(template)) is not None:
            self.into(template, name)
            self._line(f"if {name} is UNDEFINED: {name} = None")
            return Bound(f"q_wrap({name})", Value(f"({name})", made))
        self._line(f"{name} = {self._closure(items, text)}")
        return Bound(name, None)

    def _kind_of(self, template: Template) -> Type | None:
        """What a variable is that a template makes: an object, a text, or not known."""
        match self._forms.get(template):
            case Object() | Merge():
                return UNTYPED
            case Choice(base=base, then=then):
                return UNTYPED if base is not None else self._kind_of(then)
            case Assigned(_, made):
                found = self._kind_of(made)
                return UNTYPED if found is UNTYPED else None
            case Single(text, empty) if empty is not None:
                value = self._typed(text)
                found = handed_out(value.type) if value is not None and value.type is not None else None
                return found if found is not None and found.name == "String" else None
        return None

    def _inner(self, write: Callable[[], Any]) -> None:
        before = len(self.lines)
        self._depth += 1
        write()
        if len(self.lines) == before:
            self._line("pass")
        self._depth -= 1

    def _line(self, line: str) -> None:
        self.lines.append("    " * self._depth + line)

    def _local(self) -> str:
        self._locals += 1
        return f"t{self._locals}"


def _is_needed(text: str) -> bool:
    node = parse(text)
    return isinstance(node, Call) and node.name == "need"


def _items(name: str, kind: Type, many: bool) -> str:
    if kind.is_resource or kind is UNTYPED or kind.namespace == "System":
        return f"q_wrap({name})"
    return f"[(value, q_type({kind.name!r}), None) for value in {name if many else f'fp_one({name})'}]"


def _gives_up(variables: Mapping[str, Any], scope: Callable[[], Scope]) -> Any:
    raise Bail
