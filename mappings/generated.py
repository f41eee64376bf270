"""A whole template as one Python function, written once, for sources that are as they should be.

The closures of `mappings.language` are what a template means. Most sources need little of it: every reference is a
plain one, every resource is of the type it is expected to be, nothing is missing. For these the template is also
written as plain Python, its FHIRPath inlined (`profiles.fhirpath.typed`). Whatever does not fit, a reason to hold among
it, makes the function give up; the closures then start anew and say what is to be said, with file and line.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mappings.errors import MappingError
from mappings.expressions import Functions, Scope, with_variables, wrap
from mappings.forms import UNDEFINED, All, Assigned, Choice, Constant, First, Form, Merge, Object, Single, Template
from mappings.run import Index, current
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.model import UNTYPED, Type, fhir_type
from profiles.fhirpath.parser import parse
from profiles.fhirpath.syntax import Call, Empty, External, Literal, Member, Node, Special
from profiles.fhirpath.typed import BAILS, NAMES, Bail
from profiles.fhirpath.typed.conditions import Conditions
from profiles.fhirpath.typed.value import READABLE, Names, Untypable, Value, system

GIVES_UP: Final = (*BAILS, ArithmeticError, MappingError)
"""What a generated function may raise where the closures must do it."""
Written: TypeAlias = Callable[[Mapping[str, Any], Callable[[], Scope]], Any]
"""A step's variables as Python values, and what makes the scope of them where closures are asked → the product."""
MAX_SOURCE = 200_000
GIVEN = ("trigger", "facility", "options")
"""Variables of every step that expressions are inlined for."""

_GIVEN = ""
_VARIABLE = re.compile(r"%`?(\w+)")


@dataclass(frozen=True, slots=True)
class Bound:
    """A variable: Python for its items, and what is known of them; None where only closures can read it."""

    items: str
    value: Value | None
    listed: str | None = None
    """Name of the list, where it may have several items."""


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


class _Expressions(Conditions):
    """Inlines the expressions of a mapping: FHIRPath on variables whose type is known, and host functions."""

    def __init__(self, writer: "_Writer") -> None:
        root = Value("None", UNTYPED)
        super().__init__(root, "None", "None", Names(), None, writer.constant)
        self._writer = writer
        self.variables: dict[str, Bound] = {}

    def is_condition(self, node: Node) -> bool:
        return not self._is_host(node) and super().is_condition(node)

    def value(self, node: Node, me: Value) -> Value:
        if isinstance(node, External):
            return self._variable(node.name)
        if isinstance(node, Call) and node.name == "resolve":
            return self._resolved(self.base(node, me))
        if isinstance(node, Call) and self._is_host(node):
            return self._host(node, me)
        if isinstance(node, Empty) or (isinstance(node, Special) and me is self.root):
            raise Untypable
        return super().value(node, me)

    def base(self, node: Member | Call, me: Value) -> Value:
        if node.base is None and me is self.root:
            raise Untypable  # an expression on the source itself
        return super().base(node, me)

    def step(self, base: Value, name: str) -> Value:
        if base.type is UNTYPED:
            if base is self.root:
                raise Untypable
            if not base.clauses:
                return system("String", f"q_text({base.code}, {name!r})")
            found = self.names.new()
            return system(
                "String", found, clauses=(*base.clauses, f"for {found} in fp_one(q_text({base.code}, {name!r}))")
            )
        kinds = [t for _, t in base.choice.keys if not t.primitive and name in t.elements] if base.choice else []
        return self._alike(base, kinds, name) if len(kinds) > 1 else super().step(base, name)

    def _alike(self, base: Value, kinds: list[Type], name: str) -> Value:
        """The element that several types of a choice have alike, as Coding and Quantity have `code`."""
        elements = [kind.elements[name] for kind in kinds]
        if len({element.keys for element in elements}) != 1 or elements[0].many or elements[0].choice:
            raise Untypable
        key, type_ = elements[0].keys[0]
        found = self.names.new()
        source = f"fp_one(q_field({base.code}, {key!r}))"
        return Value(found, type_, (*base.clauses, f"for {found} in {source}"))

    def _is_host(self, node: Node) -> bool:
        return isinstance(node, Call) and node.name in self._writer.functions

    def _variable(self, name: str) -> Value:
        bound = self.variables.get(name)
        if bound is None or bound.value is None:
            raise Untypable
        if bound.listed is None:
            return bound.value
        each = self.names.new()
        return Value(each, bound.value.type, (f"for {each} in {bound.listed}",))

    def _resolved(self, base: Value) -> Value:
        if base.type is None or base.type.name != "Reference":
            raise Untypable
        if not base.clauses:
            return Value(f"q_target(q_index, {base.code})", fhir_type("Resource"))
        name = self.names.new()
        return Value(name, fhir_type("Resource"), (f"for {name} in q_targets(q_index, {base.listed})",))

    def _host(self, node: Call, me: Value) -> Value:
        if node.name == "hold":
            return system("String", "q_need(None)")
        gives = _GIVES.get(node.name)
        if gives is None or node.base is None or not all(isinstance(a, Literal) for a in node.arguments):
            raise Untypable
        base = self.base(node, me)
        if base.type is None:
            raise Untypable
        kind = _handed_out(base.type)
        if node.name == "need":
            if not base.clauses:
                return Value(f"q_need({base.code})", kind)
            name = self.names.new()
            return Value(name, kind, (f"for {name} in q_need({self.focus(base)})",))
        function = self._writer.bind(self._writer.functions[node.name])
        arguments = "".join(f", {self._writer.bind([a.value])}" for a in node.arguments if isinstance(a, Literal))
        call = f"{function}({self.focus(base)}{arguments})"
        if gives == "same":
            name = self.names.new()
            return Value(name, kind, (f"for {name} in {call}",))
        if gives == "one" or not base.clauses:
            return system("String", f"q_first({call})")
        name = self.names.new()
        return system("String", name, clauses=(f"for {name} in {call}",))

    def focus(self, value: Value) -> str:
        """The list of the Python values of the items."""
        if not value.clauses or value.type is None or not value.type.primitive:
            return value.listed
        return f"q_values({value.listed})"

    def first(self, value: Value) -> str:
        """The first Python value or None."""
        return f"q_first({value.listed})" if value.clauses else value.code


class _Writer:
    """Writes statements; a line's indentation is the depth of the choices it stands in."""

    def __init__(self, forms: Mapping[Template, Form], functions: Functions) -> None:
        self.functions = functions
        self.globals: dict[str, Any] = {**NAMES, **_NAMES}
        self.prologue: list[str] = []
        self.lines: list[str] = []
        self._forms, self._depth, self._locals = forms, 0, 0
        self._expressions = _Expressions(self)

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
                found = _handed_out(value.type) if value is not None and value.type is not None else None
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


_GIVES = {
    "need": "same",
    "having": "same",
    "numbered": "one",
    "translate": "one",
    **dict.fromkeys(("local", "stable", "day", "utc", "phone"), "each"),
}
"""What a host function yields: values of its focus, one text at most, or a text for each value."""


def _handed_out(kind: Type) -> Type:
    """The type that a value has after a host function has given it back."""
    if kind.name in READABLE:
        return system("String", "").type or kind
    if kind.primitive:
        raise Untypable
    return kind if kind.is_resource or kind.namespace == "System" else UNTYPED


def _is_needed(text: str) -> bool:
    node = parse(text)
    return isinstance(node, Call) and node.name == "need"


def _items(name: str, kind: Type, many: bool) -> str:
    if kind.is_resource or kind is UNTYPED or kind.namespace == "System":
        return f"q_wrap({name})"
    return f"[(value, q_type({kind.name!r}), None) for value in {name if many else f'fp_one({name})'}]"


def _gives_up(variables: Mapping[str, Any], scope: Callable[[], Scope]) -> Any:
    raise Bail


def _resource(found: Any, kind: str) -> Any:
    if kind not in (found["resourceType"], "Resource"):
        raise Bail
    return found


def _text(owner: Any, key: str) -> str | None:
    """A text of a plain JSON object."""
    if owner is None:
        return None
    value = owner.get(key)
    if value.__class__ is str:
        return value
    if value is not None or any(name.lstrip("_").startswith(key) for name in owner):
        raise Bail
    return None


def _field(owner: Any, key: str) -> Any:
    if owner.__class__ is not dict and owner is not None:
        raise Bail
    return None if owner is None else owner.get(key)


def _target(index: Index, reference: Any) -> Any:
    if reference is None:
        return None
    text = reference.get("reference")
    if text.__class__ is not str or text.startswith("#"):
        raise Bail
    return index.resolve(text)


def _targets(index: Index, references: list[Any]) -> list[Any]:
    return [found for reference in references if (found := _target(index, reference)) is not None]


def _need(value: Any) -> Any:
    if value is None or value == []:
        raise Bail
    return value


def _first(values: list[Any]) -> Any:
    for value in values:
        if value is not None:
            return value
    return None


def _values(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _update(target: dict[str, Any], part: Any) -> None:
    if part.__class__ is dict:
        target.update(part)
    elif part is not UNDEFINED and part is not None:
        raise Bail


_NAMES: dict[str, Any] = {
    "UNDEFINED": UNDEFINED,
    "q_current": current,
    "q_wrap": wrap,
    "q_inner": with_variables,
    "q_type": fhir_type,
    "q_resource": _resource,
    "q_text": _text,
    "q_field": _field,
    "q_target": _target,
    "q_targets": _targets,
    "q_need": _need,
    "q_first": _first,
    "q_values": _values,
    "q_update": _update,
}
