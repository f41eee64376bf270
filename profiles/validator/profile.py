"""A profile as Python source: functions for what it asks beyond R4, and for nothing else.

R4 itself has been judged before. A profile function therefore asks single elements for single things, and takes data
that is not what R4 wants (a list for an object) for absent.
"""

from typing import Any

from profiles.definitions import BASE, Definitions
from profiles.validator import facets, invariants
from profiles.validator.coded import binding
from profiles.validator.primitives import CONDITIONS
from profiles.validator.slices import Slices
from profiles.validator.source import Source
from profiles.validator.tree import Node, max_of, tree

Json = dict[str, Any]

STRENGTHS = ("example", "preferred", "extensible", "required")


def profile_source(definitions: Definitions, definition: Json, reports: bool) -> str:
    """The unit of a profile: `f_profile(o, c)` or `r_profile(o, p, c)` for a value of its type."""
    source = Source(reports)
    _Profile(definitions, definition, source).write()
    return source.text()


class _Profile:
    def __init__(self, definitions: Definitions, definition: Json, source: Source) -> None:
        self.definitions, self.s = definitions, source
        self.reports = source.reports
        self.root = tree(definition, definitions)
        self.url: str = definition["url"]
        self._functions = 0

    def write(self) -> None:
        own = self._function(self.root, self.root)
        with self.s.function("profile"):
            self.s.line("if o.__class__ is not dict: return" + ("" if self.reports else " True"))
            if own:
                self._call(own, "o", "p")
            for rule in self._invariants(self.root):
                rule.write(self.s, "o", "p")

    def _call(self, name: str, v: str, path: str) -> None:
        if self.reports:
            self.s.line(f"r_{name}({v}, {path}, c)")
        else:
            self.s.line(f"if not f_{name}({v}, c): return False")

    def _function(self, node: Node, general: Node) -> str | None:
        """The function that checks the children of a node, or None where there is nothing to check.

        `general` is the node itself, or for a slice the element it slices.
        """
        name = f"n{self._functions}"
        self._functions += 1
        with self.s.function(name):
            head = self.s.mark()
            for child in node.children.values():
                self._child(child)
            asks = self.s.mark() > head
            if not asks:
                self.s.discard()
        return name if asks else None

    # ------------------------------------------------------------------ one child element

    def _child(self, node: Node) -> None:
        if node.is_choice:
            self._choice(node)
            return
        primitive = _is_primitive(node)
        s, key = self.s, node.name
        before = s.mark()
        s.line(f"v = o.get({key!r})")
        lines = s.mark()
        path = f"p + '.{key}'"
        if node.many:
            self._cardinality_of_list(node, key, path, primitive)
            self._items(node, path)
        else:
            self._cardinality_of_one(node, key, path, primitive)
            mark = s.mark()
            with s.block("if v is not None:"):
                self._value(node, node, "v", path)
                asks = s.mark() > mark + 1
            if not asks:
                s.rewind(mark)
        if s.mark() == lines:
            s.rewind(before)

    def _cardinality_of_list(self, node: Node, key: str, path: str, primitive: bool) -> None:
        s, e, rule = self.s, node.element, node.element["id"]
        least, most = e.get("min", 0), max_of(e)
        if least > node.base.get("min", 0):
            count = "len(v) if v.__class__ is list else 0"
            missing = f"c.missing({path}, {rule!r}, {least}, {e['max']!r}, {count})" if self.reports else "return False"
            absent = f" and '_{key}' not in o" if primitive else ""
            s.line(f"if ({count}) < {least}{absent}: {missing}")
        if most < max_of(node.base):
            if most == 0:
                s.line(f"if v is not None: {s.bad('forbidden', path, rule)}")
            else:
                many = f"c.too_many({path}, {rule!r}, {e['max']!r}, len(v))" if self.reports else "return False"
                s.line(f"if v.__class__ is list and len(v) > {int(most)}: {many}")

    def _cardinality_of_one(self, node: Node, key: str, path: str, primitive: bool) -> None:
        s, e, rule = self.s, node.element, node.element["id"]
        if e.get("min", 0) > node.base.get("min", 0):
            missing = s.bad("missing", path, rule, min=e["min"], max=e["max"], count=0)
            absent = f" and '_{key}' not in o" if primitive else ""
            s.line(f"if v is None{absent}: {missing}")
        if e["max"] == "0" and node.base["max"] != "0":
            s.line(f"if v is not None: {s.bad('forbidden', path, rule)}")

    def _forbidden(self, node: Node, stem: str, allowed: set[str]) -> None:
        """The types of a choice that are not allowed: asked for one by one only where there is one of them."""
        s, rule = self.s, node.element["id"]
        codes = [t["code"] for t in node.base.get("type", ()) if t["code"] not in allowed]
        keys = {code: stem + code[0].upper() + code[1:] for code in codes}
        if not keys:
            return
        with s.block(f"if not {s.constant(f'frozenset({sorted(keys.values())!r})')}.isdisjoint(o):"):
            if not self.reports:
                s.line("return False")
                return
            for code, key in keys.items():
                path = f"p + '.{stem}.ofType({code})'"
                bad = s.bad("type", path, rule, found=code, allowed=", ".join(sorted(allowed)) or "-")
                s.line(f"if {key!r} in o: {bad}")

    def _choice(self, node: Node) -> None:
        """`value[x]`: which types there may be, and what each asks for."""
        s, e, rule = self.s, node.element, node.element["id"]
        stem = node.name[:-3]
        allowed = {t["code"] for t in node.types} if e["max"] != "0" else set()
        self._forbidden(node, stem, allowed)
        for type_ in node.base.get("type", ()):
            code = type_["code"]
            key, path = stem + code[0].upper() + code[1:], f"p + '.{stem}.ofType({code})'"
            if code not in allowed:
                continue
            slice_ = next((x for x in node.slices.values() if any(t["code"] == code for t in x.types)), None)
            for each in (node, slice_):
                if each is None or (each is node and len(allowed) > 1 and node.children):
                    continue
                before = s.mark()
                with s.block(f"if {key!r} in o:"):
                    s.line(f"v = o[{key!r}]")
                    inner = s.mark()
                    self._value(each, each, "v", path, code)
                    asks = s.mark() > inner
                if not asks:
                    s.rewind(before)
            if slice_ is not None and slice_.element.get("min", 0):
                facts = {"slice": slice_.name, "min": 1, "max": "1", "count": 0}
                missing = s.bad("slice-missing", path, slice_.element["id"], "None", **facts)
                s.line(f"if {key!r} not in o: {missing}")
        if e.get("min", 0) > node.base.get("min", 0):
            keys = tuple(stem + code[0].upper() + code[1:] for code in sorted(allowed))
            companions = tuple(f"_{key}" for key in keys)
            names = s.constant(f"frozenset({keys + companions!r})")
            missing = s.bad("missing", f"p + '.{node.name}'", rule, min=e["min"], max=e["max"], count=0)
            s.line(f"if {names}.isdisjoint(o): {missing}")

    # ------------------------------------------------------------------ the values of an element

    def _items(self, node: Node, path: str) -> None:
        """Each item of a list: what the element asks of all, then what the slice it belongs to asks."""
        s = self.s
        slices = Slices(self.definitions, s, node, self._value) if node.slices else None
        before = s.mark()
        with s.block("if v.__class__ is list:"):
            if slices:
                slices.begin()
            with s.block("for n, x in enumerate(v):" if self.reports else "for x in v:"):
                head = s.mark()
                item = f"{path} + f'[{{n}}]'"
                self._value(node, node, "x", item)
                if slices:
                    slices.item(item)
                asks = s.mark() > head
            if slices:
                slices.end(path)
        if not asks:
            s.rewind(before)
        if slices:
            slices.absent(path)

    def _value(self, node: Node, general: Node, v: str, path: str, code: str | None = None) -> None:
        """What is asked of one value: its content, its profiles, its codes, its conditions, its children."""
        s, rule = self.s, node.element["id"]
        types = [t for t in node.types if code is None or t["code"] == code]
        code = code or (types[0]["code"] if types else "Element")
        fixed = node.fixed()
        if fixed is not None and fixed != general_fixed(node, general):
            kind, value = fixed
            constant = s.constant(repr(value))
            test = f"{v} == {constant}" if kind == "fixed" or not isinstance(value, dict | list) else (
                f"fits({v}, {constant})")  # fmt: skip
            s.line(f"if not ({test}): {s.bad(kind, path, rule, v, expected=_shown(value))}")
        facets.write(s, node.element, node.base if general is node else general.element, v, path)
        facets.write_references(s, types, v, path, rule)
        self._profiles(node, types, v, path, rule)
        self._binding(node, code, v, path, rule)
        for invariant in self._invariants(node, general, code):
            invariant.write(s, v, path)
        if node.children:
            name = self._function(node, general)
            if name is not None:
                with s.block(f"if {v}.__class__ is dict:"):
                    self._call(name, v, path)

    def _profiles(self, node: Node, types: list[Json], v: str, path: str, rule: str) -> None:
        s = self.s
        known = {p for t in node.base.get("type", ()) for p in t.get("profile", ())}
        wanted = tuple(p.partition("|")[0] for t in types for p in t.get("profile", ()) if p not in known)
        if wanted:
            urls = s.constant(repr(wanted))
            s.line(f"c.conform({v}, {urls}, {path}, {rule!r})" if self.reports
                   else f"if not c.conforms({v}, {urls}): return False")  # fmt: skip
        of_base = {p for t in node.base.get("type", ()) for p in t.get("targetProfile", ())}
        targets = tuple(p.partition("|")[0] for t in types for p in t.get("targetProfile", ()))
        if targets and set(targets) != of_base and BASE + "Resource" not in targets:
            urls = s.constant(repr(targets))
            s.line(f"c.aim({v}, {urls}, {path}, {rule!r})" if self.reports
                   else f"if not c.aims({v}, {urls}): return False")  # fmt: skip

    def _binding(self, node: Node, code: str, v: str, path: str, rule: str) -> None:
        s, bound = self.s, node.element.get("binding")
        if bound is None or _binding_key(bound) == _binding_key(node.base.get("binding")):
            return
        found = binding(self.definitions, node.element)
        test = found.loose_test(s, code, v) if found is not None else None
        if found is None or test is None:
            return
        complex_ = code not in CONDITIONS
        facts = {"valueset": found.url, "codes": found.choices()}
        if found.strength == "required":
            key = "concept-required" if complex_ else "code-required"
            s.line(f"if not ({test}): {s.bad(key, path, rule, v, **facts)}")
        else:
            s.line(f"if not ({test}): {s.warn('concept-extensible', path, rule, v, valueset=found.url)}")

    def _invariants(
        self, node: Node, general: Node | None = None, code: str | None = None
    ) -> list[invariants.Invariant]:
        known = {c["key"] for c in node.base.get("constraint", ())}
        if general is not None and general is not node:
            known |= {c["key"] for c in general.element.get("constraint", ())}
        definition = self.definitions.structure(code) if code and code[0].isupper() else None
        if definition is not None and "snapshot" in definition:
            known |= {c["key"] for c in definition["snapshot"]["element"][0].get("constraint", ())}
        path = node.place.path if code in (None, "BackboneElement", "Element") else str(code)
        return list(invariants.of(node.element, path, frozenset(known)))


def general_fixed(node: Node, general: Node) -> tuple[str, Any] | None:
    return general.fixed() if general is not node else None


def _is_primitive(node: Node) -> bool:
    return bool(node.types) and node.types[0]["code"] in CONDITIONS


def _binding_key(bound: Json | None) -> tuple[str | None, str | None]:
    return (None, None) if bound is None else (bound["strength"], bound.get("valueSet", "").partition("|")[0])


def _shown(value: Any) -> str:
    from msgspec import json

    text = value if isinstance(value, str) else json.encode(value).decode()
    return text if len(text) <= 200 else text[:199] + "…"
