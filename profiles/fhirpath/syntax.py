"""The expression as a tree. Every node knows its place, a (line, column) counting from 1."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Node:
    """What all parts of an expression have in common."""

    place: Place

    def parts(self) -> "tuple[Node, ...]":
        """The direct sub-expressions."""
        return ()

    def walk(self) -> "Iterator[Node]":
        """This node and all below it."""
        pending: list[Node] = [self]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(node.parts())


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant System value: bool, int, Decimal, str, Quantity, or a date, dateTime or time."""

    value: Any


@dataclass(frozen=True, slots=True)
class Empty(Node):
    """`{}`."""


@dataclass(frozen=True, slots=True)
class Special(Node):
    """`$this`, `$index`, `$total`; `name` is without the dollar."""

    name: str


@dataclass(frozen=True, slots=True)
class External(Node):
    """`%name`, also ``%`name` ``."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`base.name`, or `name` alone (then `base` is None)."""

    base: Node | None
    name: str

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return () if self.base is None else (self.base,)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`base.name(arguments)`, or `name(arguments)` alone."""

    base: Node | None
    name: str
    arguments: tuple[Node, ...]

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.arguments if self.base is None else (self.base, *self.arguments)


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`base[index]`."""

    base: Node
    index: Node

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.base, self.index


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-operand`, `+operand`."""

    operator: str
    operand: Node

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`left operator right`."""

    operator: str
    left: Node
    right: Node

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.left, self.right


@dataclass(frozen=True, slots=True)
class Union(Node):
    """`a | b | c`, one node for the whole chain."""

    branches: tuple[Node, ...]

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.branches


@dataclass(frozen=True, slots=True)
class TypeTest(Node):
    """`operand is type`, `operand as type`."""

    operator: str
    operand: Node
    type: str

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return (self.operand,)
