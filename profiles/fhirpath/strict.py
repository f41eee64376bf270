"""What strict evaluation refuses: steps that depend on the order of a collection that has none.

Source: https://hl7.org/fhirpath/N1/#children--collection, #combining; HL7's suite, testDollarOrderNotAllowed.
"""

from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.syntax import Call, Index, Member, Node, Union

_UNORDERED = frozenset(("children", "descendants", "union", "combine"))
_BY_ORDER = frozenset(("first", "last", "tail", "skip", "take"))
_KEEPING = frozenset(("where", "select", "ofType", "distinct", "exclude", "intersect", "repeat", "trace", "resolve"))


def check_order(tree: Node) -> None:
    """Raises FHIRPathError at the first step that picks by order where the specification promises none."""
    for node in sorted(tree.walk(), key=lambda node: node.place):
        base = node.base if isinstance(node, Index) or (isinstance(node, Call) and node.name in _BY_ORDER) else None
        if base is not None and _is_unordered(base):
            step = f"{node.name}()" if isinstance(node, Call) else "[…]"
            raise FHIRPathError(f"{step} depends on an order that its input has not; sort() it").at(node.place)


def _is_unordered(node: Node) -> bool:
    match node:
        case Union():
            return True
        case Call(name=name, base=base):
            return name in _UNORDERED or (name in _KEEPING and base is not None and _is_unordered(base))
        case Member(base=Node() as base):
            return _is_unordered(base)
        case _:
            return False
