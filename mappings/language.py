"""FPML compiled: a YAML template becomes closures over compiled FHIRPath, once.

The language is the FHIRPath Mapping Language (https://github.com/beda-software/FHIRPathMappingLanguage): `{{ expr }}`
first result, `{{+ expr +}}` null when empty, `{[ expr ]}` all results, and the blocks `{{ expr }}:`, `{% assign %}`,
`{% for x in expr %}`, `{% if %}` / `{% else %}`, `{% merge %}`. Values that come out of the data are never read as
templates again. Two blocks are this project's own: `{% include FILE %}` (as a value) puts another template in its
place, and `{% first %}` takes the first row of a table whose `when` holds.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import yaml

from mappings.errors import MappingError, known
from mappings.expressions import Functions, Items, Scope, compiled, condition, focused, unwrap, with_variables, wrap
from mappings.forms import (
    UNDEFINED,
    All,
    Assigned,
    Choice,
    Constant,
    Evaluate,
    First,
    Form,
    Merge,
    Object,
    Single,
    Template,
    Variable,
)
from mappings.positions import Node, Source
from mappings.quick import GENERAL, keeps_no_type, quick, quick_truth

Names: TypeAlias = Mapping[str, Collection[str]]
T = TypeVar("T")

BLOCKS = ("assign", "else", "first", "for", "if", "merge")
SHIPPED = Path(__file__).parent

_LIST = re.compile(r"\{\[\s*([\s\S]+?)\s*\]\}\Z")
_SINGLE = re.compile(r"\{\{(\+?)\s*([\s\S]+?)\s*\+?\}\}")
_CONTEXT = re.compile(r"\{\{\s*([\s\S]+?)\s*\}\}\Z")
_BLOCK = re.compile(r"\{%\s*(\w+)\s*([\s\S]*?)\s*%\}\Z")
_FOR = re.compile(r"(?:(\w+)\s*,\s*)?(\w+)\s+in\s+([\s\S]+)\Z")
_NAMED = re.compile(r"\b(\w+)\(\s*'([^']*)'")
_JSON = frozenset((str, bool, int, Decimal, dict, list, type(None)))
_ALONE = re.compile(r"%([A-Za-z_]\w*)\Z")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value of the product came from: template file, line, and the expression or literal that made it."""

    file: str
    line: int
    made_by: str


class Mark:
    """A value with its origin; only templates compiled for tracing make these."""

    __slots__ = ("origin", "value")

    def __init__(self, value: Any, origin: Origin) -> None:
        self.value, self.origin = value, origin


@dataclass(frozen=True, slots=True)
class Block:
    """A `{% … %}` key of a mapping: what stands after its name, and the nodes of key and value."""

    text: str
    key: Node
    value: Node


class Compiler:
    """Compiles the templates of one module folder.

    `functions` are the host functions, `find(name)` gives the path of a file of the module, `trace` makes templates
    whose leaves are `Mark`s. `names` are the names that a function's first argument may have, by function.
    """

    def __init__(
        self, functions: Functions, find: Callable[[str], Path], trace: bool = False, names: Names | None = None
    ) -> None:
        self._functions, self._find, self._trace, self._names = functions, find, trace, names or {}
        self._open: list[Path] = []
        self.forms: dict[Template, Form] = {}
        """What each template was made of."""

    def _formed(self, template: Template, form: Form) -> Template:
        self.forms[template] = form
        return template

    def file(self, name: str) -> Template:
        """Compile one template file. Raises MappingError with file and line."""
        path = self._find(name)
        if path in self._open:
            raise MappingError(f"{name} includes itself")
        self._open.append(path)
        try:
            source = Source(path, shown(path))
            return self.node(source, source.root)
        finally:
            self._open.pop()

    def expression(self, source: Source, node: Node, text: str) -> Evaluate:
        """Compile one FHIRPath expression; what it raises later names this line."""
        closure, file, line = self._closure(compiled, source, node, text)

        def evaluate(scope: Scope) -> Items:
            try:
                return closure(scope.root, scope)
            except (ValueError, TypeError, ArithmeticError) as error:
                raise MappingError(f"in {text!r}: {error}", file, line) from error

        return evaluate

    def values(self, source: Source, node: Node, text: str) -> Callable[[Scope], list[Any]]:
        """Compile an expression whose results are wanted as Python values."""
        closure, file, line = self._closure(compiled, source, node, text)
        shorter = quick(text, self._functions) or (lambda scope: None)

        def evaluate(scope: Scope) -> list[Any]:
            try:
                found = shorter(scope)
                return unwrap(closure(scope.root, scope)) if found is None else found
            except (ValueError, TypeError, ArithmeticError) as error:
                raise MappingError(f"in {text!r}: {error}", file, line) from error

        return evaluate

    def condition(self, source: Source, node: Node, text: str) -> Callable[[Scope], bool | None]:
        """Compile an expression that is asked for its truth."""
        closure, file, line = self._closure(condition, source, node, text)
        shorter = quick_truth(text, self._functions)

        def holds(scope: Scope) -> bool | None:
            try:
                found = shorter(scope)
                return closure(scope.root, scope) if found is GENERAL else bool(found)
            except (ValueError, TypeError, ArithmeticError) as error:
                raise MappingError(f"in {text!r}: {error}", file, line) from error

        return holds

    def _closure(
        self, compile: Callable[[str, Functions], T], source: Source, node: Node, text: str
    ) -> tuple[T, str, int]:
        file, line = source.shown, source.line(node)
        for function, name in _NAMED.findall(text):
            if function in self._names:
                known(name, self._names[function], f"name in {function}()", file, line)
        try:
            return compile(text, self._functions), file, line
        except ValueError as error:
            raise source.error(f"in {text!r}: {error}", node) from None

    def node(self, source: Source, node: Node) -> Template:
        """Compile any node."""
        if isinstance(node, yaml.MappingNode):
            return self._mapping(source, node)
        if isinstance(node, yaml.SequenceNode):
            return _listing([self.node(source, item) for item in node.value])
        return self._scalar(source, node)

    # Scalars ---------------------------------------------------------------------------------------------------------

    def _scalar(self, source: Source, node: Node) -> Template:
        value = source.plain(node)
        if not isinstance(value, str):
            return self._leaf(lambda scope: value, source, node, to_text(value), Constant(value))
        if block := _BLOCK.match(value):
            return self._include(source, node, block)
        if found := _LIST.match(value):
            return self._leaf(_all(self.values(source, node, found[1])), source, node, found[1], All(found[1]))
        parts = list(_SINGLE.finditer(value))
        if not parts:
            return self._leaf(lambda scope: value, source, node, value, Constant(value))
        empty = [None if part[1] else UNDEFINED for part in parts]
        expressions = [self.values(source, node, part[2]) for part in parts]
        if len(parts) == 1 and parts[0][0] == value:
            made = _single(expressions[0], empty[0])
            return self._leaf(made, source, node, parts[0][2], Single(parts[0][2], empty[0]))
        texts = _SINGLE.sub("\0", value).split("\0")
        return self._leaf(_interpolation(texts, expressions, empty), source, node, value)

    def _include(self, source: Source, node: Node, block: re.Match[str]) -> Template:
        if block[1] != "include":
            raise source.error(f"unknown block {block[0]!r} as a value; valid is {{% include FILE %}}", node)
        try:
            return self.file(block[2])
        except MappingError as error:
            if error.line is None:
                raise source.error(str(error), node) from None
            raise

    def _leaf(self, made: Template, source: Source, node: Node, made_by: str, form: Form | None = None) -> Template:
        if not self._trace:
            return self._formed(made, form) if form else made
        origin = Origin(source.shown, source.line(node), made_by)
        alone = _ALONE.match(made_by)

        def traced(scope: Scope) -> Any:
            if alone and (marked := scope.variables.get(f"marked {alone[1]}")):
                return marked[0]
            value = made(scope)
            if value is UNDEFINED:
                return value
            return [Mark(item, origin) for item in value] if isinstance(value, list) else Mark(value, origin)

        return traced

    # Mappings --------------------------------------------------------------------------------------------------------

    def _mapping(self, source: Source, node: Node) -> Template:
        plain: list[tuple[str, Template]] = []
        blocks: dict[str, Block] = {}
        context: list[Block] = []
        for key, key_node, value in source.items(node):
            if found := _CONTEXT.match(key):
                context.append(Block(found[1], key_node, value))
            elif block := _BLOCK.match(key):
                if block[1] not in BLOCKS:
                    names = ", ".join(f"{{% {name} %}}" for name in BLOCKS)
                    raise source.error(f"unknown block {key!r}; valid are {names}", key_node)
                if block[1] in blocks:
                    raise source.error(f"{{% {block[1]} %}} stands twice in one mapping", key_node)
                blocks[block[1]] = Block(block[2], key_node, value)
            else:
                plain.append((key, self.node(source, value)))
        assign = blocks.pop("assign", None)
        made = self._body(source, node, plain, blocks, context)
        return self._assigned(source, assign, made) if assign else made

    def _body(
        self,
        source: Source,
        node: Node,
        plain: list[tuple[str, Template]],
        blocks: dict[str, Block],
        context: list[Block],
    ) -> Template:
        alone = [name for name in ("for", "first") if name in blocks]
        if context or alone:
            if len(plain) + len(blocks) + len(context) > 1:
                what = "{{ … }}" if context else f"{{% {alone[0]} %}}"
                raise source.error(f"{what} must be the only key of its mapping", node)
            if context:
                return self._context(source, context[0])
            return (self._for if alone[0] == "for" else self._first)(source, blocks[alone[0]])
        if "merge" in blocks and "if" in blocks:
            raise source.error("{% if %} and {% merge %} in one mapping: put the {% if %} into the merged list", node)
        base = self._formed(_object(plain), Object(plain))
        if "merge" in blocks:
            return self._merge(source, base, blocks["merge"])
        if "else" in blocks and "if" not in blocks:
            raise source.error("{% else %} without {% if %}", node)
        if "if" in blocks:
            return self._if(source, base if plain else None, blocks["if"], blocks.get("else"))
        return base

    def _assigned(self, source: Source, assign: Block, made: Template) -> Template:
        rows = assign.value.value if isinstance(assign.value, yaml.SequenceNode) else [assign.value]
        variables_made: list[Variable] = []
        steps: list[tuple[str, Evaluate]] = []
        for row in rows:
            pairs = list(source.items(row))
            if len(pairs) != 1:
                raise source.error("each row of {% assign %} holds one name", row)
            variable = self._variable(pairs[0][0], source, pairs[0][2])
            variables_made.append(variable)
            steps.append((variable.name, variable.items))
            if self._trace:
                steps.append((f"marked {pairs[0][0]}", _as_one_item(self.node(source, pairs[0][2]))))

        def run(scope: Scope) -> Any:
            inner = with_variables(scope, {})
            variables = inner.variables
            for name, value in steps:
                variables[name] = value(inner)
            return made(inner)

        return self._formed(run, Assigned(variables_made, made))

    def _variable(self, name: str, source: Source, node: Node) -> Variable:
        """The items of a variable. Those of a lone expression keep their FHIR types."""
        text = source.plain(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(text, str):
            if found := _LIST.match(text):
                return Variable(name, self._items(source, node, found[1]), found[1])
            single = _SINGLE.match(text)
            if single and single[0] == text:
                first = self._items(source, node, single[2])
                return Variable(name, lambda scope: first(scope)[:1], single[2], first=True)
        plain = Compiler(self._functions, self._find, names=self._names) if self._trace else self
        template = plain.node(source, node)

        def items(scope: Scope) -> Items:
            return [] if (value := template(scope)) is UNDEFINED else wrap(value)

        return Variable(name, items, template=template)

    def _items(self, source: Source, node: Node, text: str) -> Evaluate:
        if not keeps_no_type(text, self._functions):
            return self.expression(source, node, text)
        values = self.values(source, node, text)
        return lambda scope: wrap(values(scope))

    def _context(self, source: Source, block: Block) -> Template:
        each, child = self.expression(source, block.key, block.text), self.node(source, block.value)
        return lambda scope: _flat([child(focused(scope, item)) for item in each(scope)])

    def _for(self, source: Source, block: Block) -> Template:
        found = _FOR.match(block.text)
        if not found:
            raise source.error("expected {% for x in EXPRESSION %} or {% for i, x in EXPRESSION %}", block.key)
        index, name = found[1], found[2]
        each, child = self.expression(source, block.key, found[3]), self.node(source, block.value)

        def run(scope: Scope) -> Any:
            values = []
            for position, item in enumerate(each(scope)):
                inner = with_variables(scope, {name: [item], f"marked {name}": []})
                if index:
                    inner.variables[index] = [position]
                values.append(child(inner))
            return _flat(values)

        return run

    def _if(self, source: Source, base: Template | None, when: Block, otherwise: Block | None) -> Template:
        holds = self.condition(source, when.key, when.text)
        then = self.node(source, when.value)
        other = self.node(source, otherwise.value) if otherwise else None
        form = Choice(base, when.text, holds, then, other)
        file, line = source.shown, source.line(when.key)

        def choose(scope: Scope) -> Any:
            if holds(scope):
                return then(scope)
            return other(scope) if other else UNDEFINED

        if base is None:
            return self._formed(choose, form)
        return self._formed(lambda scope: _merged(base(scope), [choose(scope)], file, line), form)

    def _merge(self, source: Source, base: Template, block: Block) -> Template:
        rows = block.value.value if isinstance(block.value, yaml.SequenceNode) else [block.value]
        parts = [self.node(source, row) for row in rows]
        file, line = source.shown, source.line(block.key)
        merged = lambda scope: _merged(base(scope), [part(scope) for part in parts], file, line)  # noqa: E731
        return self._formed(merged, Merge(base, parts))

    def _first(self, source: Source, block: Block) -> Template:
        if block.text or not isinstance(block.value, yaml.SequenceNode):
            raise source.error("{% first %} holds a list of rows, each with `name`, `when` and `then`", block.key)
        rows = []
        for row in block.value.value:
            fields = source.fields(row, "a row of {% first %}", ("name", "when", "then"), ())
            text = to_text(source.plain(fields["when"]))
            rows.append((text, self.condition(source, fields["when"], text), self.node(source, fields["then"])))

        def run(scope: Scope) -> Any:
            for _, when, then in rows:
                if when(scope):
                    return then(scope)
            return UNDEFINED

        return self._formed(run, First(rows))


def to_json(value: Any) -> Any:
    """A FHIRPath result as FHIR JSON: the engine's own date and quantity types become what FHIR writes."""
    return value if value.__class__ in _JSON else str(value)


def to_text(value: Any) -> str:
    """A result inside a longer text: booleans as FHIR writes them, numbers with the digits they came with."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def unmarked(value: Any) -> Any:
    """A value without the marks of tracing."""
    if isinstance(value, Mark):
        return unmarked(value.value)
    if isinstance(value, dict):
        return {key: unmarked(item) for key, item in value.items()}
    return [unmarked(item) for item in value] if isinstance(value, list) else value


def shown(path: Path) -> str:
    """A module's file as messages name it: `vclaim/sep-insert/t_sep.yaml`; a site's own with its whole path."""
    return path.relative_to(SHIPPED).as_posix() if path.is_relative_to(SHIPPED) else str(path)


def _single(expression: Callable[[Scope], list[Any]], empty: Any) -> Template:
    def run(scope: Scope) -> Any:
        result = expression(scope)
        return to_json(result[0]) if result else empty

    return run


def _all(expression: Callable[[Scope], list[Any]]) -> Template:
    def run(scope: Scope) -> Any:
        result = expression(scope)
        return [to_json(value) for value in result] if result else UNDEFINED

    return run


def _interpolation(texts: list[str], expressions: list[Callable[[Scope], list[Any]]], empty: list[Any]) -> Template:
    def run(scope: Scope) -> Any:
        made = [texts[0]]
        for text, expression, nothing in zip(texts[1:], expressions, empty, strict=True):
            result = expression(scope)
            if not result:
                return nothing
            made += (to_text(result[0]), text)
        return "".join(made)

    return run


def _as_one_item(template: Template) -> Evaluate:
    return lambda scope: [] if (value := template(scope)) is UNDEFINED else [value]


def _object(items: list[tuple[str, Template]]) -> Template:
    def run(scope: Scope) -> Any:
        made = {key: value for key, child in items if (value := child(scope)) is not UNDEFINED}
        return made or UNDEFINED

    return run


def _listing(children: list[Template]) -> Template:
    return lambda scope: _flat([child(scope) for child in children])


def _flat(values: list[Any]) -> Any:
    made: list[Any] = []
    for value in values:
        if value is UNDEFINED:
            continue
        if isinstance(value, list):
            inner = _flat(value)
            if inner is not UNDEFINED:
                made += inner
        else:
            made.append(value)
    return made or UNDEFINED


def _merged(base: Any, parts: list[Any], file: str, line: int) -> Any:
    made = {} if base is UNDEFINED else dict(base)
    for part in parts:
        opened = {k: Mark(v, part.origin) for k, v in part.value.items()} if _marks_object(part) else part
        if isinstance(opened, dict):
            made.update(opened)
        elif opened is not UNDEFINED and opened is not None:
            raise MappingError(f"only mappings can be merged, found {part!r}", file, line)
    return made or UNDEFINED


def _marks_object(part: Any) -> bool:
    return isinstance(part, Mark) and isinstance(part.value, dict)
