"""JSON Patch on a decoded resource, all operations or none. Source: RFC 6902, pointers RFC 6901.

The source is not changed: only the containers on the path of an operation are copied.
"""

from decimal import Decimal
from typing import Any

from gateway.errors import FhirError
from profiles.fhirjson import Resource, encode

MEMBERS = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "from"),
    "copy": ("path", "from"),
    "test": ("path", "value"),
}


MOST_OPERATIONS = 5_000
MOST_COPIED = 1024 * 1024
"""Bytes of JSON that the copy operations of a patch may make in all: a few dozen that copy each other's copies would
else fill the memory."""


class _Missing(Exception):
    pass


def apply(patch: Any, resource: Resource) -> Resource:
    """The patched copy of `resource`. Raises FhirError GF-305 (not a patch) or GF-306 (cannot be applied)."""
    if not isinstance(patch, list):
        raise FhirError("GF-305", reason="not an array")
    if len(patch) > MOST_OPERATIONS:
        raise FhirError("GF-305", reason=f"{len(patch)} operations, more than {MOST_OPERATIONS}")
    document: Any = resource
    copied = 0
    for index, operation in enumerate(patch):
        op, path = _checked(index, operation)
        try:
            if op == "copy":
                copied += len(encode(_get(document, _steps(operation["from"]))))
                if copied > MOST_COPIED:
                    raise _Missing(f"the copies of this patch are longer than {MOST_COPIED} bytes")
            document = _one(document, op, operation, path)
        except _Missing as missing:
            raise FhirError("GF-306", index=index, op=op, path=operation["path"], reason=str(missing)) from None
    if not isinstance(document, dict):
        raise FhirError("GF-305", reason="the whole resource may not be removed")
    return document


def _checked(index: int, operation: Any) -> tuple[str, list[str]]:
    if not isinstance(operation, dict):
        raise FhirError("GF-305", reason=f"operation {index} is not an object")
    op = operation.get("op")
    if op not in MEMBERS:
        raise FhirError("GF-305", reason=f"operation {index} has op {op!r}; known are {', '.join(MEMBERS)}")
    for member in MEMBERS[op]:
        if member not in operation:
            raise FhirError("GF-305", reason=f"operation {index} ({op}) lacks {member!r}")
    for member in ("path", "from"):
        pointer = operation.get(member, "")
        if not isinstance(pointer, str) or (pointer and pointer[0] != "/"):
            raise FhirError("GF-305", reason=f"operation {index}: {member} {pointer!r} is not a JSON pointer")
    return op, _steps(operation["path"])


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _one(document: Any, op: str, operation: dict[str, Any], path: list[str]) -> Any:
    if op == "add":
        return _put(document, path, operation["value"])
    if op == "remove":
        return _take(document, path)
    if op == "replace":
        return _replace(document, path, operation["value"])
    if op == "test":
        if not equal(_get(document, path), operation["value"]):
            raise _Missing("the value there is another one")
        return document
    source = _steps(operation["from"])
    value = _get(document, source)
    if op == "copy":
        return _put(document, path, value)
    if path[: len(source)] == source and len(path) > len(source):
        raise _Missing("a value cannot be moved into itself")
    return _put(_take(document, source), path, value)


def _get(node: Any, steps: list[str]) -> Any:
    for step in steps:
        node = node[_key(node, step, len(node) - 1)] if isinstance(node, dict | list) else _nothing(step)
    return node


def _put(node: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if not rest and isinstance(node, list):
        index = len(node) if step == "-" else int(_key(node, step, len(node)))
        return [*node[:index], value, *node[index:]]
    if not rest and isinstance(node, dict):
        return {**node, step: value}
    return _with(node, step, _put(_get(node, [step]), rest, value))


def _replace(node: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    return _with(node, steps[0], _replace(_get(node, steps[:1]), steps[1:], value))


def _take(node: Any, steps: list[str]) -> Any:
    if not steps:
        return None
    step, rest = steps[0], steps[1:]
    child = _get(node, [step])
    if rest:
        return _with(node, step, _take(child, rest))
    if isinstance(node, list):
        return [item for position, item in enumerate(node) if position != int(step)]
    return {key: item for key, item in node.items() if key != step}


def _with(node: Any, step: str, child: Any) -> Any:
    if isinstance(node, list):
        return [child if position == int(step) else item for position, item in enumerate(node)]
    return {**node, step: child}


def _key(node: dict[str, Any] | list[Any], step: str, last: int) -> Any:
    if isinstance(node, dict):
        return step if step in node else _nothing(step)
    if not (step.isascii() and step.isdigit()) or (step[0] == "0" and step != "0"):
        raise _Missing(f"{step!r} is not an index of an array")
    return int(step) if int(step) <= last else _nothing(step)


def _nothing(step: str) -> Any:
    raise _Missing(f"there is no {step!r}")


def equal(a: Any, b: Any) -> bool:
    """Equality of RFC 6902 §4.6: numbers by value, true is not 1, members in any order."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | Decimal) and isinstance(b, int | Decimal):
        return a == b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)
