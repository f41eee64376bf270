"""Where in the bytes an element stands: FHIRPath of an issue → line and column.

One pass over the tokens of the JSON text; parts that no path leads to are only counted through.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

Place = tuple[int, int]
"""(line, column), both from 1."""

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)
_MARK = re.compile(rb"\S")
_STEP = re.compile(r"\.ofType\((\w+)\)|\.(\w+)|\[(\d+)\]")
_Trie = dict[str | int, Any]


def places(raw: bytes, paths: Iterable[str]) -> dict[str, Place]:
    """The place of each path: of the element, or of the nearest one above it where it is missing.

    `raw` is well-formed JSON. A path is what an Issue has: `Observation.component[0].value.ofType(Quantity).unit`.
    """
    wanted = {path: steps(path) for path in paths}
    offsets = _offsets(raw, wanted.values())
    lines = [match.start() for match in re.finditer(rb"\n", raw)]
    found = {}
    for path, keys in wanted.items():
        while keys not in offsets:
            keys = keys[:-1]
        offset = offsets[keys]
        line = bisect_left(lines, offset)
        found[path] = (line + 1, offset - (lines[line - 1] if line else -1))
    return found


def steps(path: str) -> tuple[str | int, ...]:
    """The JSON keys and indexes of a path below its resource type; `value.ofType(Quantity)` is `valueQuantity`."""
    found: list[str | int] = []
    for type_, name, index in _STEP.findall(path):
        if type_ and found:
            found[-1] = f"{found[-1]}{type_[0].upper()}{type_[1:]}"
        elif index:
            found.append(int(index))
        else:
            found.append(name)
    return tuple(found)


def _offsets(raw: bytes, wanted: Iterable[tuple[str | int, ...]]) -> dict[tuple[str | int, ...], int]:
    """Offsets of the wanted elements and of all above them: of the key of a property, of the item of a list."""
    trie: _Trie = {}
    for keys in wanted:
        node = trie
        for key in keys:
            node = node.setdefault(key, {})
    found: dict[tuple[str | int, ...], int] = {(): 0}
    # a frame: the trie's node of an object or list (None: not wanted), the path to it, the index in a list (-1: object)
    frames: list[tuple[_Trie | None, tuple[str | int, ...], int]] = []
    upcoming: _Trie | None = trie
    here: tuple[str | int, ...] = ()
    key_next = False
    for match in _TOKEN.finditer(raw):
        token = match[0]
        sign = token[:1]
        if sign in b"{[":
            frames.append((upcoming, here, 0 if sign == b"[" else -1))
            key_next = sign == b"{"
            if sign == b"[":
                upcoming, here = _enter(upcoming, here, 0, _next(raw, match.end()), found)
        elif sign in b"}]":
            _, here, _ = frames.pop()
            key_next = False
        elif sign == b",":
            owner, above, index = frames[-1]
            key_next = index < 0
            if index >= 0:
                frames[-1] = (owner, above, index + 1)
                upcoming, here = _enter(owner, above, index + 1, _next(raw, match.end()), found)
        elif key_next and sign == b'"':
            owner, above, _ = frames[-1]
            key_next = False
            upcoming, here = _enter(owner, above, token[1:-1].decode("utf-8", "replace"), match.start(), found)
    return found


def _next(raw: bytes, offset: int) -> int:
    match = _MARK.search(raw, offset)
    return match.start() if match else offset


def _enter(
    owner: _Trie | None,
    above: tuple[str | int, ...],
    key: str | int,
    offset: int,
    found: dict[tuple[str | int, ...], int],
) -> tuple[_Trie | None, tuple[str | int, ...]]:
    """The node and path below `owner`; its offset is noted where it is wanted."""
    if not owner or key not in owner:
        return None, above
    here = (*above, key)
    found.setdefault(here, offset)
    return owner[key], here
