"""`module.yaml`, the head of a mapping module: read strictly, an unknown key is an error that names the valid ones."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mappings.errors import MappingError, known
from mappings.functions import Message
from mappings.language import shown
from mappings.positions import Node, Source

OPERATION = re.compile(r"[a-z]+(\.[a-z-]+)+\Z")
SOURCES = ("visit", "json")


@dataclass(frozen=True, slots=True)
class Option:
    """A choice that a site makes in `facility.options`."""

    default: str
    one_of: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class StepHead:
    """One step as the head declares it; `when`, `applies` are FHIRPath, None: always."""

    name: str
    template: str
    operation: str
    schema: str | None
    on: tuple[str, ...]
    when: str | None
    applies: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Head:
    """A module's head. `requires` are (kind, FHIRPath giving local references)."""

    name: str
    version: str
    title: str
    source: str
    destination: str
    steps: tuple[StepHead, ...]
    outgoing: str | None
    concept_maps: dict[str, str]
    options: dict[str, Option]
    held: dict[str, Message]
    requires: tuple[tuple[str, str, int], ...]
    file: str


def read(path: Path, name: str) -> Head:
    """Read a head. Raises MappingError naming file, line and value."""
    source = Source(path, shown(path))
    required = ("name", "version", "title", "source", "destination", "steps")
    fields = source.fields(
        source.root, "a module", required, ("outgoing", "concept_maps", "options", "held", "requires")
    )
    if source.text(fields["name"]) != name:
        raise source.error(f"name is {source.text(fields['name'])!r}, its folder is {name!r}", fields["name"])
    steps = tuple(_step(source, node) for node in _rows(source, fields["steps"]))
    if not steps:
        raise source.error("a module has at least one step", fields["steps"])
    return Head(
        name,
        source.text(fields["version"]),
        source.text(fields["title"]),
        known(source.text(fields["source"]), SOURCES, "source", source.shown, source.line(fields["source"])),
        source.text(fields["destination"]),
        steps,
        source.text(fields["outgoing"]) if "outgoing" in fields else None,
        _named(source, fields.get("concept_maps"), source.text),
        _named(source, fields.get("options"), lambda node: _option(source, node)),
        _named(source, fields.get("held"), lambda node: _message(source, node)),
        tuple(_requirement(source, node) for node in _rows(source, fields.get("requires"))),
        source.shown,
    )


def _rows(source: Source, node: Node | None) -> list[Node]:
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise source.error(f"expected a list, found {source.plain(node)!r}", node)
    return list(node.value)


def _named(source: Source, node: Node | None, read_value: Callable[[Node], Any]) -> dict[str, Any]:
    return {} if node is None else {key: read_value(value) for key, _, value in source.items(node)}


def _texts(source: Source, node: Node | None) -> tuple[str, ...]:
    return tuple(source.text(item) for item in _rows(source, node))


def _step(source: Source, node: Node) -> StepHead:
    fields = source.fields(node, "a step", ("name", "template", "operation"), ("schema", "on", "when", "applies"))
    operation = source.text(fields["operation"])
    if not OPERATION.match(operation):
        raise source.error(f"operation {operation!r} is no dotted name like sep.insert", fields["operation"])

    def optional(key: str) -> str | None:
        return source.text(fields[key]) if key in fields else None

    return StepHead(
        source.text(fields["name"]),
        source.text(fields["template"]),
        operation,
        optional("schema"),
        _texts(source, fields.get("on")),
        optional("when"),
        optional("applies"),
        source.line(node),
    )


def _option(source: Source, node: Node) -> Option:
    fields = source.fields(node, "an option", ("default", "text"), ("one_of",))
    option = Option(source.text(fields["default"]), _texts(source, fields.get("one_of")), source.text(fields["text"]))
    if option.one_of:
        known(option.default, option.one_of, "default", source.shown, source.line(fields["default"]))
    return option


def _message(source: Source, node: Node) -> Message:
    fields = source.fields(node, "a reason", ("path", "id", "en"), ())
    return Message(source.text(fields["path"]), source.text(fields["id"]), source.text(fields["en"]))


def _requirement(source: Source, node: Node) -> tuple[str, str, int]:
    fields = source.fields(node, "a requirement", ("kind", "from"), ())
    return source.text(fields["kind"]), source.text(fields["from"]), source.line(node)


def chosen(options: dict[str, Option], given: dict[str, Any], module: str) -> dict[str, str]:
    """The module's options as a facility set them, else their defaults. Raises MappingError for an invalid value."""
    made = {}
    for name, option in options.items():
        value = str(given.get(name, option.default))
        if option.one_of and value not in option.one_of:
            raise MappingError(f"{module}: option {name} is {value!r}; valid are {', '.join(option.one_of)}")
        made[name] = value
    return made
