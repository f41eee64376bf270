"""The FHIRPath of a mapping inlined into generated Python, and what the Python calls.

Beside what `profiles.fhirpath.typed` writes, a mapping's expressions begin at variables, follow references within the
visit and call host functions. Values are plain JSON; whatever is not as simple as the types promise raises Bail.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from mappings.expressions import Functions, with_variables, wrap
from mappings.forms import UNDEFINED
from mappings.run import Index, current
from profiles.fhirpath.model import UNTYPED, Type, fhir_type
from profiles.fhirpath.syntax import Call, Empty, External, Literal, Member, Node, Special
from profiles.fhirpath.typed import Bail
from profiles.fhirpath.typed.conditions import Conditions
from profiles.fhirpath.typed.value import READABLE, Names, Untypable, Value, system


@dataclass(frozen=True, slots=True)
class Bound:
    """A variable: Python for its items, and what is known of them; None where only closures can read it."""

    items: str
    value: Value | None
    listed: str | None = None
    """Name of the list, where it may have several items."""


class Host(Protocol):
    """The generated module that expressions are inlined into: its host functions, and its globals."""

    functions: Functions

    def bind(self, value: Any) -> str: ...

    def constant(self, source: str) -> str: ...


class Expressions(Conditions):
    """Inlines the expressions of a mapping: FHIRPath on variables whose type is known, and host functions."""

    def __init__(self, host: "Host") -> None:
        root = Value("None", UNTYPED)
        super().__init__(root, "None", "None", Names(), None, host.constant)
        self._module = host
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
            return self._text_of(base, name)
        kinds = [t for _, t in base.choice.keys if not t.primitive and name in t.elements] if base.choice else []
        return self._alike(base, kinds, name) if len(kinds) > 1 else super().step(base, name)

    def _text_of(self, base: Value, name: str) -> Value:
        """A text under a name, whatever it is in; the code bails for what is no text."""
        if not base.clauses:
            return system("String", f"q_text({base.code}, {name!r})")
        found = self.names.new()
        more = f"for {found} in fp_one(q_text({base.code}, {name!r}))"
        return system("String", found, clauses=(*base.clauses, more))

    def _alike(self, base: Value, kinds: list[Type], name: str) -> Value:
        """The element that several types of a choice have alike, as Coding and Quantity have `code`."""
        elements = [kind.elements[name] for kind in kinds]
        if any(element.many or element.choice for element in elements):
            raise Untypable
        if len({element.keys for element in elements}) > 1:
            if not any(element.keys[0][1].name in READABLE for element in elements):
                raise Untypable
            return self._text_of(base, name)
        key, type_ = elements[0].keys[0]
        found = self.names.new()
        source = f"fp_one(q_field({base.code}, {key!r}))"
        return Value(found, type_, (*base.clauses, f"for {found} in {source}"))

    def _is_host(self, node: Node) -> bool:
        return isinstance(node, Call) and node.name in self._module.functions

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
            each = self.names.new()
            base = system("String", each, clauses=(f"for {each} in q_texts({base.listed})",))
        kind = handed_out(base.type or UNTYPED)
        if node.name == "need":
            if not base.clauses:
                return Value(f"q_need({base.code})", kind)
            name = self.names.new()
            return Value(name, kind, (f"for {name} in q_need({self.focus(base)})",))
        function = self._module.bind(self._module.functions[node.name])
        arguments = "".join(f", {self._module.bind([a.value])}" for a in node.arguments if isinstance(a, Literal))
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


_GIVES = {
    "need": "same",
    "having": "same",
    "numbered": "one",
    "translate": "one",
    **dict.fromkeys(("local", "stable", "day", "utc", "phone"), "each"),
}
"""What a host function yields: values of its focus, one text at most, or a text for each value."""


def handed_out(kind: Type) -> Type:
    """The type that a value has after a host function has given it back."""
    if kind.name in READABLE:
        return system("String", "").type or kind
    if kind.primitive:
        raise Untypable
    return kind if kind.is_resource or kind.namespace == "System" else UNTYPED


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


def _texts(values: list[Any]) -> list[str]:
    """Values of any type, of which only texts are taken."""
    found = _values(values)
    if any(value.__class__ is not str for value in found):
        raise Bail
    return found


def _values(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _update(target: dict[str, Any], part: Any) -> None:
    if part.__class__ is dict:
        target.update(part)
    elif part is not UNDEFINED and part is not None:
        raise Bail


INLINED: dict[str, Any] = {
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
    "q_texts": _texts,
    "q_update": _update,
}
