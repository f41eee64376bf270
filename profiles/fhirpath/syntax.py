"""The expression as a tree. Every node knows its place, a (line, column) counting from 1."""

from collections.abc import Iterator
from typing import Any

Place = tuple[int, int]


class Node:
    """What all parts of an expression have in common; made as `Kind(place, field, …)` and not changed afterwards.

    Plain classes, because making a dozen dataclasses would cost a third of this package's import.
    """

    __slots__ = ("place",)
    place: Place

    def __init__(self, place: Place, *fields: Any) -> None:
        self.place = place
        for name, value in zip(self.__slots__, fields, strict=True):
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(repr(getattr(self, name)) for name in self.__slots__)})"

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


class Literal(Node):
    """A constant System value: bool, int, Decimal, str, Quantity, or a date, dateTime or time."""

    __slots__ = ("value",)
    value: Any


class Empty(Node):
    """`{}`."""

    __slots__ = ()


class Special(Node):
    """`$this`, `$index`, `$total`; `name` is without the dollar."""

    __slots__ = ("name",)
    name: str


class External(Node):
    """`%name`, also ``%`name` ``."""

    __slots__ = ("name",)
    name: str


class Member(Node):
    """`base.name`, or `name` alone (then `base` is None)."""

    __slots__ = ("base", "name")
    base: Node | None
    name: str

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return () if self.base is None else (self.base,)


class Call(Node):
    """`base.name(arguments)`, or `name(arguments)` alone."""

    __slots__ = ("arguments", "base", "name")
    arguments: tuple[Node, ...]
    base: Node | None
    name: str

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.arguments if self.base is None else (self.base, *self.arguments)


class Index(Node):
    """`base[index]`."""

    __slots__ = ("base", "index")
    base: Node
    index: Node

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.base, self.index


class Unary(Node):
    """`-operand`, `+operand`."""

    __slots__ = ("operand", "operator")
    operand: Node
    operator: str

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return (self.operand,)


class Binary(Node):
    """`left operator right`."""

    __slots__ = ("left", "operator", "right")
    left: Node
    operator: str
    right: Node

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.left, self.right


class Union(Node):
    """`a | b | c`, one node for the whole chain."""

    __slots__ = ("branches",)
    branches: tuple[Node, ...]

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.branches


class TypeTest(Node):
    """`operand is type`, `operand as type`."""

    __slots__ = ("operand", "operator", "type")
    operand: Node
    operator: str
    type: str

    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return (self.operand,)
