"""StructureDefinitions of R4 types as Python source: one pair of functions for each type and backbone element.

A function walks the keys of a JSON object once: what it does not know is unknown, what it knows is checked in place,
and what must be there is counted at the end.
"""

from typing import Any, NamedTuple

from profiles.definitions import BASE, Definitions
from profiles.validator import invariants
from profiles.validator.coded import Binding, binding
from profiles.validator.primitives import CONDITIONS
from profiles.validator.source import Source

Json = dict[str, Any]

SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
QUANTITIES = ("SimpleQuantity", "MoneyQuantity")
"""The constraints on data types that base elements name as their profile; they get functions like types."""
OFTEN_FIRST = (
    "system", "code", "value", "coding", "display", "reference", "text", "url", "status", "subject", "use", "type",
    "identifier", "name", "period",
)  # fmt: skip
"""Keys that are asked for first, because most objects have them."""
SELDOM = ("id", "extension", "modifierExtension")
"""Keys that every object may have and few do: asked for last."""
CHAIN = 14
"""Types with more keys than this are dispatched by a tree of numbers instead of a chain of comparisons."""


class Member(NamedTuple):
    """One JSON property of an object: an element, or one type of a choice element."""

    key: str
    element: Json
    type: str
    target: str
    """Suffix of the function that checks a complex value; the primitive's name otherwise."""
    many: bool
    choice: int
    """Number of the choice element it belongs to, -1 for none."""
    primitive: bool


def data_types(definitions: Definitions) -> list[str]:
    """Every complex data type with a structure of its own."""
    names = [
        s["type"]
        for s in definitions.structures()
        if s["kind"] == "complex-type" and s.get("derivation") != "constraint" and "snapshot" in s
    ]
    return [*names, *QUANTITIES]


def data_types_source(definitions: Definitions, reports: bool) -> str:
    writer = _Writer(definitions, reports)
    for name in data_types(definitions):
        writer.write(name)
    return writer.source.text()


def resource_source(definitions: Definitions, name: str, reports: bool) -> str:
    """Raises KeyError for an unknown resource type."""
    writer = _Writer(definitions, reports)
    writer.write(name)
    return writer.source.text()


class _Writer:
    def __init__(self, definitions: Definitions, reports: bool) -> None:
        self.definitions = definitions
        self.source = Source(reports)
        self.reports = reports

    def write(self, name: str) -> None:
        """The functions of one type: its own, and those of its backbone elements."""
        definition = self.definitions.structure(name)
        if definition is None:
            raise KeyError(name)
        elements = definition["snapshot"]["element"]
        parents = {e["path"].rpartition(".")[0] for e in elements}
        for element in elements:
            path = element["path"]
            if path in parents and ":" not in element["id"]:
                _Object(self, name, definition, element).write()


def suffix(path: str) -> str:
    return path.replace(".", "_").replace("[x]", "")


class _Object:
    """The writing of one pair of functions, for a type or backbone element."""

    def __init__(self, writer: _Writer, name: str, definition: Json, element: Json) -> None:
        self.w, self.s, self.reports = writer, writer.source, writer.reports
        self.name, self.definition, self.element = name, definition, element
        self.path: str = element["path"]
        self.choices: list[tuple[str, int, list[str]]] = []
        self.required: list[Member] = []
        self.barred: list[str] = []
        self.members = self._members()

    @property
    def is_resource(self) -> bool:
        return self.definition["kind"] == "resource" and "." not in self.path

    def _members(self) -> list[Member]:
        depth = self.path.count(".") + 1
        found = []
        for e in self.definition["snapshot"]["element"]:
            path = e["path"]
            if not path.startswith(self.path + ".") or path.count(".") != depth or ":" in e["id"]:
                continue
            name = path.rpartition(".")[2]
            if e["max"] == "0":
                self.barred.append(name)
                continue
            choice = -1
            if name.endswith("[x]"):
                choice = len(self.choices)
                self.choices.append((name[:-3], e["min"], []))
            for type_ in e.get("type") or [{"code": "BackboneElement"}]:
                member = self._member(e, name, type_, choice)
                found.append(member)
                if choice >= 0:
                    self.choices[choice][2].append(member.key)
                elif e["min"]:
                    self.required.append(member)
        return found

    def _member(self, e: Json, name: str, type_: Json, choice: int) -> Member:
        code: str = type_["code"]
        if code.startswith(SYSTEM_TYPE):
            code = next((x["valueUrl"] for x in type_.get("extension", ()) if x["url"] == FHIR_TYPE), "string")
            if self.is_resource and name == "id":
                code = "id"
        key = name[:-3] + code[0].upper() + code[1:] if choice >= 0 else name
        many = e.get("base", e)["max"] not in ("0", "1")
        if code in CONDITIONS:
            return Member(key, e, code, code, many, choice, True)
        if "contentReference" in e:
            target = suffix(e["contentReference"].partition("#")[2])
        elif code in ("BackboneElement", "Element"):
            target = suffix(e["path"])
        else:
            profiles = [p.removeprefix(BASE) for p in type_.get("profile", ())]
            target = profiles[0] if len(profiles) == 1 and profiles[0] in QUANTITIES else code
        return Member(key, e, code, target, many, choice, False)

    # ------------------------------------------------------------------ the function

    def write(self) -> None:
        s = self.s
        own = suffix(self.path) if "." in self.path else self.name
        with s.function(own):
            if not self.reports:
                s.line("if o.__class__ is not dict or not o: return False")
            s.lines(f"c{i} = 0" for i in range(len(self.choices)))
            self._keys(own)
            for member in self.required:
                pair = f" and '_{member.key}' not in o" if member.primitive else ""
                s.line(f"if {member.key!r} not in o{pair}: {self._missing(member)}")
            for i, (name, least, _) in enumerate(self.choices):
                self._count(i, name, least)
            self._invariants()

    def _missing(self, member: Member) -> str:
        e = member.element
        return self.s.bad("missing", f"p + '.{member.key}'", e["id"], min=e["min"], max=e["max"], count=0)

    def _count(self, i: int, name: str, least: int) -> None:
        rule = f"{self.path}.{name}[x]"
        many = self.s.bad("choice", f"p + '.{name}'", rule, found=f"{', '.join(self.choices[i][2][:4])} …")
        self.s.line(f"if c{i} > 1: {many}")
        if least:
            missing = self.s.bad("missing", f"p + '.{name}[x]'", rule, min=least, max="1", count=0)
            self.s.line(f"if c{i} < 1: {missing}")

    def _keys(self, own: str) -> None:
        s = self.s
        members = sorted(self.members, key=lambda m: _rank(m.key))
        extras = {f"_{m.key}": (m.many, m.choice) for m in members if m.primitive and m.type != "xhtml"}
        extras = {k: v for k, v in extras.items() if not (k == "_id" and not self.is_resource)}
        bodies: list[tuple[str, Member | None]] = [(m.key, m) for m in members]
        if self.is_resource:
            bodies.insert(0, ("resourceType", None))
        with s.block("for k, v in o.items():"):
            if len(bodies) > CHAIN and not self.reports:
                numbers = s.constant(repr({key: i for i, (key, _) in enumerate(bodies)}))
                s.line(f"i = {numbers}.get(k, -1)")
                with s.block("if i < 0:"):
                    self._others(extras)
                with s.block("else:"):
                    self._tree(bodies, 0, len(bodies))
            else:
                for i, (key, member) in enumerate(bodies):
                    with s.block(f"{'elif' if i else 'if'} k == {key!r}:"):
                        self._body(member)
                with s.block("else:"):
                    self._others(extras)

    def _tree(self, bodies: list[tuple[str, Member | None]], low: int, high: int) -> None:
        s = self.s
        if high - low <= 2:
            for j in range(low, high):
                with s.block(f"{'if' if j == low else 'elif'} i == {j}:"):
                    self._body(bodies[j][1])
            return
        middle = (low + high) // 2
        with s.block(f"if i < {middle}:"):
            self._tree(bodies, low, middle)
        with s.block("else:"):
            self._tree(bodies, middle, high)

    def _others(self, extras: dict[str, tuple[bool, int]]) -> None:
        """A key that is no element: the `_…` companion of a primitive, or unknown."""
        s = self.s
        table = s.constant(repr(extras)) if extras else ""
        known = s.constant(repr(tuple(m.key for m in self.members)))
        unknown = f"c.unknown(p, k, v, {self.path!r}, {known})" if self.reports else "return False"
        if not extras:
            s.line(unknown)
            return
        with s.block(f"if k in {table}:"):
            if self.reports:
                s.line(f"c.companion(o, k, v, {table}[k][0], p, {self.path!r})")
            else:
                s.line(f"if not companion(o, k, v, {table}[k][0], c): return False")
            for i in range(len(self.choices)):
                s.line(f"if {table}[k][1] == {i} and k[1:] not in o: c{i} += 1")
        with s.block("else:"):
            s.line(unknown)

    def _body(self, m: Member | None) -> None:
        """What is done with the value of one key."""
        s = self.s
        if m is None:
            wrong = s.bad("resource-type", "p + '.resourceType'", self.name, "v", suggestion_id="", suggestion_en="")
            s.line(f"if v != {self.name!r}: {wrong}")
            return
        if m.choice >= 0:
            s.line(f"c{m.choice} += 1")
        if m.key == "modifierExtension":
            s.line("c.extended = True")
        step = f"{m.key[: -len(m.type)]}.ofType({m.type})" if m.choice >= 0 else m.key
        rule = m.element["id"]
        if not m.many:
            self._value(m, "v", f"p + '.{step}'", rule)
            if m.key == "id" and not self.is_resource:
                s.line(f"if len(o) == 1: {s.bad('only-id', 'p', rule)}")
            return
        bad_list = f"c.not_list(v, p + '.{step}', {rule!r})" if self.reports else "return False"
        with s.block("if v.__class__ is not list or not v:"):
            s.line(bad_list)
        if self.reports:
            with s.block("else:"), s.block("for n, x in enumerate(v):"):
                self._item(m, f"f'{{p}}.{step}[{{n}}]'", rule)
        else:
            with s.block("for x in v:"):
                self._item(m, "", rule)
            if m.primitive:
                s.line("if None in v and not has_partner(o, k, v): return False")

    def _item(self, m: Member, path: str, rule: str) -> None:
        if not m.primitive:
            self._value(m, "x", path, rule)
            return
        null = f"c.null_item(o, k, n, {path}, {rule!r})" if self.reports else "continue"
        self.s.line(f"if x is None: {null}")
        with self.s.block("else:"):
            self._value(m, "x", path, rule)

    def _value(self, m: Member, v: str, path: str, rule: str) -> None:
        if m.primitive:
            self._primitive(m, v, path, rule)
        else:
            self._complex(m, v, path, rule)

    def _primitive(self, m: Member, v: str, path: str, rule: str) -> None:
        s = self.s
        bound = binding(self.w.definitions, m.element)
        test = CONDITIONS[m.type].format(v=v)
        if bound is not None and bound.strength == "required" and m.type == "code":
            self._bound_code(bound, test, v, path, rule)
        else:
            wrong = f"c.primitive({v}, {m.type!r}, {path}, {rule!r})" if self.reports else "return False"
            if m.type == "xhtml" and self.reports:
                test = f"is_strict_narrative({v})"  # what leniency lets pass is still to be said
            s.line(f"if not ({test}): {wrong}")
            if bound is not None:
                self._binding(bound, m, v, path, rule)
        self._own_constraints(m, v, path)

    def _bound_code(self, bound: Binding, test: str, v: str, path: str, rule: str) -> None:
        s = self.s
        inside = bound.code_test(s, v)
        if not self.reports:
            kind = f"{v}.__class__ is str and " if bound.codes is not None else f"{test} and "
            s.line(f"if not ({kind}{inside}): return False")
            return
        s.line(f"if not ({test}): c.primitive({v}, 'code', {path}, {rule!r})")
        facts = {"valueset": bound.url, "codes": bound.choices()}
        s.line(f"elif not ({inside}): {s.bad('code-required', path, rule, v, **facts)}")

    def _complex(self, m: Member, v: str, path: str, rule: str) -> None:
        s = self.s
        if m.type == "Resource":
            self._resource(m, v, path, rule)
            return
        if self.reports:
            with s.block(f"if {v}.__class__ is not dict or not {v}:"):
                s.line(f"c.not_object({v}, {path}, {rule!r})")
            with s.block("else:"):
                s.line(f"r_{m.target}({v}, {path}, c)")
                self._around(m, v, path, rule)
        else:
            s.line(f"if not f_{m.target}({v}, c): return False")
            self._around(m, v, path, rule)

    def _around(self, m: Member, v: str, path: str, rule: str) -> None:
        """What the place of a complex value asks of it, beside its type: binding, reference targets, constraints."""
        bound = binding(self.w.definitions, m.element)
        if bound is not None:
            self._binding(bound, m, v, path, rule)
        if m.type in ("Reference", "CodeableReference"):
            self._targets(m, v, path, rule)
        self._own_constraints(m, v, path)

    def _targets(self, m: Member, v: str, path: str, rule: str) -> None:
        s = self.s
        types = next(t for t in m.element["type"] if t["code"] == m.type)
        targets = sorted(t.removeprefix(BASE) for t in types.get("targetProfile", ()))
        if not targets or "Resource" in targets:
            return
        allowed = s.constant(f"frozenset({targets!r})")
        if self.reports:
            s.line(f"c.target({v}, {allowed}, {path}, {rule!r})")
        else:
            test = f"{v}['reference'].partition('/')[0] not in {allowed} and not is_target({v}, {allowed}, c)"
            s.line(f"if 'reference' in {v} and {test}: return False")

    def _resource(self, m: Member, v: str, path: str, rule: str) -> None:
        kind = "contained" if m.key == "contained" else "inner"
        if self.reports:
            self.s.line(f"c.report_{kind}({v}, {path}, {rule!r})")
        else:
            self.s.line(f"if not c.accepts_{kind}({v}): return False")

    def _binding(self, bound: Binding, m: Member, v: str, path: str, rule: str) -> None:
        s = self.s
        if m.type == "CodeableConcept" and not self.reports:
            self._bound_concept(bound, v)
            return
        test = bound.loose_test(s, m.type, v) if self.reports else bound.test(s, m.type, v)
        if test is None:
            return
        facts = {"valueset": bound.url, "codes": bound.choices()}
        if bound.strength == "required":
            s.line(f"if not ({test}): {s.bad('concept-required', path, rule, v, **facts)}")
        else:
            s.line(f"if not ({test}): {s.warn('concept-extensible', path, rule, v, valueset=bound.url)}")

    def _bound_concept(self, bound: Binding, v: str) -> None:
        """The binding of a CodeableConcept in the fast twin: a loop, which is cheaper than `any` of a generator."""
        s = self.s
        with s.block(f"for q in {v}.get('coding', ()):"):
            s.line(f"if {bound.coding_test(s, 'q')}: break")
        with s.block("else:"):
            s.line("return False" if bound.strength == "required" else f"if 'coding' in {v}: c.doubtful = True")

    def _invariants(self) -> None:
        for rule in invariants.of(self.element, self.path):
            rule.write(self.s, "o", "p")
        if self.is_resource and self.name not in ("Bundle", "Parameters", "Binary"):
            self.s.line("if 'contained' in o: c.report_unused(o, p)" if self.reports else
                        "if 'contained' in o and not all_used(o): return False")  # fmt: skip
        if "." not in self.path:
            self._native()

    def _native(self) -> None:
        """The rules of a type that are no FHIRPath."""
        s = self.s
        if self.name in invariants.NATIVE:
            if self.name == "Coding" and not self.reports:
                s.line("if o.get('system') in SYSTEMS and not c.accepts_Coding(o): return False")
                return
            call = f"c.report_{self.name}(o, p)" if self.reports else f"if not c.accepts_{self.name}(o): return False"
            s.line(call)
        if self.name == "Extension":
            s.line(f"if ('extension' in o) == (c0 > 0): {s.bad('extension-both', 'p', 'ext-1')}")
            if not self.reports:
                s.line("if o.get('url') in KNOWN_EXTENSIONS: c.extended = True")
        elif self.name == "Reference":
            call = "c.reference(o, p)" if self.reports else "if not is_good_reference(o, c): return False"
            with s.block("if 'reference' in o:"):
                if not self.reports:
                    s.line("r = o['reference']")
                    with s.block("if 'type' in o or not M_relative(r) or r.partition('/')[0] not in RESOURCE_TYPES:"):
                        s.line(call)
                else:
                    s.line(call)

    def _own_constraints(self, m: Member, v: str, path: str) -> None:
        if m.type in ("BackboneElement", "Element"):
            return  # the function of the backbone element makes them
        for rule in invariants.of(m.element, m.type):
            rule.write(self.s, v, path)


def _rank(key: str) -> int:
    if key in SELDOM:
        return len(OFTEN_FIRST) + 1
    return OFTEN_FIRST.index(key) if key in OFTEN_FIRST else len(OFTEN_FIRST)
