"""A mapping module at work: its steps compiled, its products checked, its examples proven."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mappings import head as heads
from mappings.conceptmap import ConceptMap
from mappings.errors import Held, MappingError, Reason, known
from mappings.expressions import Closure, Scope, compiled, scope, unwrap
from mappings.forms import UNDEFINED
from mappings.functions import Function, functions
from mappings.generated import GIVES_UP, write
from mappings.language import Compiler, Mark, Origin, shown
from mappings.outgoing import Outgoing
from mappings.positions import Source
from mappings.run import Crosswalk, Index, Run, current
from mappings.schema import Schema
from profiles import fhirpath
from profiles.fhirjson import Resource
from profiles.fhirpath.values import truth

Trace = list[tuple[str, Any, Origin]]
"""(path in the product, value, origin) of every value, in the product's order."""

CONTEXT = ("facility", "crosswalk", "now", "focus", "visit")
SCHEMA_DEFAULT = "(schema default)"


class _Call:
    """One call of a step: its source, its variables as Python values, its state; their scope only when it is asked."""

    __slots__ = ("_scope", "run", "source", "variables")

    def __init__(self, source: Mapping[str, Any], variables: Mapping[str, Any], run: Run) -> None:
        self.source, self.variables, self.run = source, variables, run
        self._scope: Scope | None = None

    def scope(self) -> Scope:
        if self._scope is None:
            self._scope = scope(self.source, self.variables, self.run.index.resolve)
        return self._scope


class Step:
    """One step of a module: source → product. Made by `Module`."""

    def __init__(self, module: "Module", head: heads.StepHead) -> None:
        self.module, self.name, self.operation, self.on = module, head.name, head.operation, head.on
        self.schema = Schema(module.find(head.schema)) if head.schema else None
        self._template_file = head.template
        compiler = module.compiler()
        self._template = compiler.file(head.template)
        self._written = write(self._template, compiler.forms, module.functions, head.on)
        self._when = module.condition(head.when, head.on, head.line) if head.when else None
        self._applies = module.expression(head.applies, head.line) if head.applies else None

    def __call__(
        self,
        source: Mapping[str, Any],
        *,
        facility: Mapping[str, Any] | None = None,
        crosswalk: Crosswalk | None = None,
        now: str | None = None,
        focus: str | None = None,
        visit: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Map one source (a visit Bundle, or a reply with its `visit`).

        `facility`: dict with organization_id, kode_faskes, zone (IANA), options. `crosswalk`: local `Type/id` → remote
        id or None. `now`: ISO instant. `focus`: reference of the resource that called for the step; without it the
        first of the visit that would.
        Raises Held with all reasons, MappingError where the module is at fault.
        """
        product = self._run(self._made, source, facility, crosswalk, now, focus, visit)
        return self.schema.fill(product) if self.schema else product

    def trace(self, source: Mapping[str, Any], **context: Any) -> tuple[dict[str, Any], Trace]:
        """The product, and for each of its values the template line that made it."""
        template = self.module.compiler(trace=True).file(self._template_file)
        marked = self._run(lambda call: template(call.scope()), source, *_ordered(context))
        if self.schema:
            marked = self.schema.fill(marked)
        found: Trace = []
        product = _unmark(marked, "", Origin("", 0, SCHEMA_DEFAULT), found)
        return product, found

    def check(self, product: dict[str, Any]) -> list[Reason]:
        """What is wrong with a product by the target's JSON Schema; nothing where the step has none."""
        return self.schema.check(product) if self.schema else []

    def wants(self, resource: Resource) -> bool:
        """Does writing this resource call for this step (`on` and `when`)?"""
        if resource["resourceType"] not in self.on:
            return False
        return self._when is None or self._when.test(resource) is True

    def applies(self, source: Mapping[str, Any], **context: Any) -> bool:
        """Is there something to do for this visit (`applies`)? Context as in a call."""
        if self._applies is None:
            return True
        call = self._prepare(source, *_ordered(context))
        token = current.set(call.run)
        try:
            return truth(self._applies(call.scope().root, call.scope())) is True
        finally:
            current.reset(token)

    def _prepare(
        self,
        source: Mapping[str, Any],
        facility: Mapping[str, Any] | None,
        crosswalk: Crosswalk | None,
        now: str | None,
        focus: str | None,
        visit: Mapping[str, Any] | None,
    ) -> "_Call":
        facility = facility or {}
        options = heads.chosen(self.module.head.options, facility.get("options") or {}, self.module.name)
        index = Index(source if visit is None else visit)
        trigger = self._trigger(index, focus)
        variables = {
            "facility": facility,
            "org": facility.get("organization_id"),
            "options": options,
            "trigger": trigger,
            "now": now,
        }
        return _Call(source, variables, Run(index, facility, options, crosswalk, now))

    def _trigger(self, index: Index, focus: str | None) -> Resource | None:
        if focus is not None:
            found = index.resolve(focus)
            if found is None:
                raise MappingError(f"{self.module.name}: the visit does not hold {focus}")
            return found
        candidates = (resource for kind in self.on for resource in index.by_type.get(kind, ()))
        return next((resource for resource in candidates if self.wants(resource)), None)

    def _made(self, call: "_Call") -> Any:
        try:
            product = self._written(call.variables, call.scope)
            if not call.run.reasons:
                return product
        except GIVES_UP:
            pass
        call.run.reasons.clear()
        call.run.sending = frozenset()
        return self._template(call.scope())

    def _run(self, make: "Callable[[_Call], Any]", source: Mapping[str, Any], *context: Any) -> dict[str, Any]:
        call = self._prepare(source, *context)
        run = call.run
        if self.on and not call.variables["trigger"]:
            name = f"{self.module.name}, step {self.name}"
            raise MappingError(f"{name}: nothing in the source calls for it (see `on` and `when` in its head)")
        token = current.set(run)
        try:
            product = make(call)
        finally:
            current.reset(token)
        if run.reasons:
            raise Held(run.reasons)
        if product is UNDEFINED:
            raise MappingError(f"{self.module.name}: step {self.name} made nothing of this source")
        if isinstance(product, Mark):
            product = product.value
        return dict(product)


class Module:
    """A loaded mapping module. With a single step it is callable itself, as `module(source, **context)`."""

    def __init__(self, name: str, find: Callable[[str], Path]) -> None:
        self.name, self.find = name, find
        self.head = heads.read(find("module.yaml"), name)
        self.version, self.destination = self.head.version, self.head.destination
        maps = {key: ConceptMap(find(file)) for key, file in self.head.concept_maps.items()}
        self.functions: dict[str, Function] = functions(maps, self.head.held)
        if self.head.outgoing:
            table = Outgoing(Source(find(self.head.outgoing), shown(find(self.head.outgoing))), self.condition)
            self.functions |= table.functions()
        self.steps = {step.name: Step(self, step) for step in self.head.steps}
        self._requires = [(kind, self.expression(text, line)) for kind, text, line in self.head.requires]

    def __call__(self, source: Mapping[str, Any], **context: Any) -> dict[str, Any]:
        """Map with the module's only step. Raises MappingError where it has several."""
        return self.only(source, **context)

    @property
    def only(self) -> Step:
        """The single step of a module that has one."""
        if len(self.steps) > 1:
            raise MappingError(f"{self.name} has several steps; name one of {', '.join(self.steps)}")
        return next(iter(self.steps.values()))

    def step(self, name: str) -> Step:
        """A step by name. Raises MappingError naming the valid ones."""
        return self.steps[known(name, self.steps, f"step of {self.name}")]

    def check(self, product: dict[str, Any]) -> list[Reason]:
        """What is wrong with a product of the module's only step."""
        return self.only.check(product)

    def requires(self, source: Mapping[str, Any], facility: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
        """What must exist at the destination before this visit can go: (kind, local reference), each once."""
        index = Index(source)
        outermost = scope(source, {}, index.resolve)
        token = current.set(Run(index, facility or {}, {}, None, None))
        try:
            found = [
                (kind, index.local(str(value)))
                for kind, references in self._requires
                for value in unwrap(references(outermost.root, outermost))
            ]
        finally:
            current.reset(token)
        return list(dict.fromkeys(found))

    def compiler(self, *, trace: bool = False) -> Compiler:
        """A compiler for the templates of this module."""
        held, maps = self.head.held, self.head.concept_maps
        return Compiler(self.functions, self.find, trace, {"need": held, "hold": held, "translate": maps})

    def expression(self, text: str, line: int) -> Closure:
        """Compile an expression of the head that judges a visit."""
        try:
            return compiled(text, self.functions)
        except ValueError as error:
            raise MappingError(f"in {text!r}: {error}", self.head.file, line) from None

    def condition(self, text: str, types: Sequence[str], line: int) -> fhirpath.Expression:
        """Compile a condition on one resource alone: none of the visit's functions, and the quicker for its type."""
        try:
            return fhirpath.compile(text, types[0] if len(types) == 1 else None)
        except ValueError as error:
            raise MappingError(f"in {text!r}: {error}", self.head.file, line) from None


def _ordered(context: Mapping[str, Any]) -> list[Any]:
    for key in context:
        known(key, CONTEXT, "context")
    return [context.get(key) for key in CONTEXT]


def _unmark(value: Any, path: str, origin: Origin, found: Trace) -> Any:
    if isinstance(value, Mark):
        return _unmark(value.value, path, value.origin, found)
    if isinstance(value, dict):
        return {key: _unmark(item, f"{path}.{key}" if path else key, origin, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_unmark(item, f"{path}[{i}]", origin, found) for i, item in enumerate(value)]
    found.append((path, value, origin))
    return value
