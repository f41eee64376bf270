"""YAML that remembers where each value stood, so that every error can name its line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from mappings.errors import MappingError, known

Node: TypeAlias = yaml.Node


class _Loader(yaml.SafeLoader):
    """Dates stay text (`2026-01-02` is what the target gets); only true and false are booleans (`on` is a key)."""


_LOOSE = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in rows if tag not in _LOOSE]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)\Z"), ["t", "f"])


class Source:
    """One YAML file: its root node, and errors that name its lines. Raises MappingError if it is no YAML."""

    def __init__(self, path: Path, shown: str | None = None) -> None:
        self.path, self.shown = path, shown or path.name
        try:
            loader = _Loader(path.read_text("utf-8"))
            root = loader.get_single_node()
        except OSError as error:
            raise MappingError(f"cannot be read: {error.strerror}", self.shown) from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise MappingError(error.problem or "no valid YAML", self.shown, line) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise MappingError(str(error), self.shown) from None
        if root is None:
            raise MappingError("the file is empty", self.shown)
        self.root: Node = root
        self._loader = loader

    def line(self, node: Node) -> int:
        """Line of a node, from 1."""
        return int(node.start_mark.line) + 1

    def error(self, message: str, node: Node) -> MappingError:
        """A MappingError at the node."""
        return MappingError(message, self.shown, self.line(node))

    def plain(self, node: Node) -> Any:
        """The node as Python data."""
        if isinstance(node, yaml.MappingNode):
            return {key: self.plain(value) for key, _, value in self.items(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item) for item in node.value]
        return self._loader.construct_object(node)

    def items(self, node: Node) -> Iterator[tuple[str, Node, Node]]:
        """(key, key node, value node) of a mapping; a key that occurs twice or is no text is an error."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(f"expected a mapping, found {self.plain(node)!r}", node)
        seen: set[str] = set()
        for key_node, value in node.value:
            key = self.plain(key_node)
            if not isinstance(key, str):
                raise self.error(f"the key {key!r} must be text (quote it)", key_node)
            if key in seen:
                raise self.error(f"the key {key!r} occurs twice", key_node)
            seen.add(key)
            yield key, key_node, value

    def fields(self, node: Node, what: str, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Node]:
        """The values of a mapping with known keys; unknown or missing keys are errors that name the valid ones."""
        found = {}
        for key, key_node, value in self.items(node):
            found[known(key, (*required, *optional), f"key of {what}", self.shown, self.line(key_node))] = value
        if missing := [key for key in required if key not in found]:
            raise self.error(f"{what} lacks {', '.join(missing)}", node)
        return found

    def text(self, node: Node) -> str:
        """A scalar that must be text."""
        value = self.plain(node)
        if not isinstance(value, str):
            raise self.error(f"expected text, found {value!r} (quote it)", node)
        return value
