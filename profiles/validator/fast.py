"""The yes/no function of each type: no paths, no allocation, an end at the first fault.

What it does not know is unknown, what it knows is checked in place, and what must be there is counted at the end.
"""

from profiles.definitions import Definitions
from profiles.validator import invariants
from profiles.validator.coded import Binding, binding
from profiles.validator.objects import Member, Object, rank, targets
from profiles.validator.primitives import ABSOLUTE, CONDITIONS, DOUBTS
from profiles.validator.source import Source

CHAIN = 14
"""Types with more keys than this are dispatched by a tree of numbers instead of a chain of comparisons."""


class Fast:
    """Writes the functions of the objects that it is given into a source."""

    def __init__(self, definitions: Definitions, source: Source) -> None:
        self.definitions, self.s = definitions, source

    def write(self, it: Object) -> None:
        s = self.s
        with s.function(it.name):
            s.line("if o.__class__ is not dict or not o: return False")
            s.lines(f"c{i} = 0" for i in range(len(it.choices)))
            self._keys(it)
            for m in it.required:
                pair = f" and '_{m.key}' not in o" if m.primitive else ""
                s.line(f"if {m.key!r} not in o{pair}: return False")
            for i, choice in enumerate(it.choices):
                s.line(f"if c{i} > 1: return False")
                if choice.least:
                    s.line(f"if c{i} < 1: return False")
            self._rules(it)

    # ------------------------------------------------------------------ keys

    def _keys(self, it: Object) -> None:
        s = self.s
        bodies: list[tuple[str, Member | None]] = [(m.key, m) for m in sorted(it.members, key=lambda m: rank(m.key))]
        if it.is_resource:
            bodies.insert(0, ("resourceType", None))
        with s.block("for k, v in o.items():"):
            if len(bodies) > CHAIN:
                numbers = s.constant(repr({key: i for i, (key, _) in enumerate(bodies)}))
                s.line(f"i = {numbers}.get(k, -1)")
                with s.block("if i < 0:"):
                    self._others(it)
                with s.block("else:"):
                    self._tree(bodies, 0, len(bodies), it)
            else:
                for i, (key, m) in enumerate(bodies):
                    with s.block(f"{'elif' if i else 'if'} k == {key!r}:"):
                        self._member(m, it)
                with s.block("else:"):
                    self._others(it)

    def _tree(self, bodies: list[tuple[str, Member | None]], low: int, high: int, it: Object) -> None:
        s = self.s
        if high - low <= 2:
            for j in range(low, high):
                with s.block(f"{'if' if j == low else 'elif'} i == {j}:"):
                    self._member(bodies[j][1], it)
            return
        middle = (low + high) // 2
        with s.block(f"if i < {middle}:"):
            self._tree(bodies, low, middle, it)
        with s.block("else:"):
            self._tree(bodies, middle, high, it)

    def _others(self, it: Object) -> None:
        """A key that is no element: the `_…` companion of a primitive, or unknown."""
        s = self.s
        companions = {k: (m.many, m.choice) for k, m in it.companions.items()}
        if not companions:
            s.line("return False")
            return
        table = s.constant(repr(companions))
        with s.block(f"if k in {table}:"):
            s.line(f"if not companion(o, k, v, {table}[k][0], c): return False")
            if needed := it.needed_values:
                s.line(f"if k in {s.constant(f'frozenset({needed!r})')} and k[1:] not in o: return False")
            for i in range(len(it.choices)):
                s.line(f"if {table}[k][1] == {i} and k[1:] not in o: c{i} += 1")
        with s.block("else:"):
            s.line("return False")

    def _member(self, m: Member | None, it: Object) -> None:
        """What is asked of the value of one key."""
        s = self.s
        if m is None:
            s.line(f"if v != {it.type!r}: return False")
            return
        if m.choice >= 0:
            s.line(f"c{m.choice} += 1")
        if m.key == "modifierExtension":
            s.line("c.extended = True")
        if not m.many:
            self._value(m, "v")
            if m.key == "id" and not it.is_resource:
                s.line("if len(o) == 1: return False")
            return
        with s.block("if v.__class__ is not list or not v:"):
            s.line("return False")
        with s.block("for x in v:"):
            if not m.primitive:
                self._value(m, "x")
                return
            s.line("if x is None: continue")
            with s.block("else:"):
                self._value(m, "x")
        s.line("if None in v and not has_partner(o, k, v): return False")

    # ------------------------------------------------------------------ values

    def _value(self, m: Member, v: str) -> None:
        if m.primitive:
            self._primitive(m, v)
        elif m.type == "Resource":
            kind = "contained" if m.key == "contained" else "inner"
            self.s.line(f"if not c.accepts_{kind}({v}): return False")
        else:
            self._complex(m, v)

    def _primitive(self, m: Member, v: str) -> None:
        s = self.s
        bound = binding(self.definitions, m.element)
        test = CONDITIONS[m.type].format(v=v)
        if bound is not None and bound.strength == "required" and m.type == "code":
            kind = f"{v}.__class__ is str and " if bound.codes is not None else f"{test} and "
            s.line(f"if not ({kind}{bound.code_test(s, v)}): return False")
        else:
            s.line(f"if not ({test}): return False")
            if bound is not None:
                self._binding(bound, m, v)
        if m.type in DOUBTS:
            s.line(f"if {DOUBTS[m.type][1].format(v=v)}: c.doubtful = True")
        if m.element["path"] in ABSOLUTE:
            s.line(f"if ':' not in {v}: return False")
        self._own_constraints(m, v)

    def _complex(self, m: Member, v: str) -> None:
        s = self.s
        s.line(f"if not f_{m.target}({v}, c): return False")
        if m.type == "Extension" and not m.element["path"].startswith("Extension."):
            s.line(f"if ':' not in {v}.get('url', ''): return False")
        bound = binding(self.definitions, m.element)
        if bound is not None:
            self._binding(bound, m, v)
        if m.type in ("Reference", "CodeableReference") and (allowed := targets(m)):
            known = s.constant(f"frozenset({allowed!r})")
            test = f"{v}['reference'].partition('/')[0] not in {known} and not is_target({v}, {known}, c)"
            s.line(f"if 'reference' in {v} and {test}: return False")
        self._own_constraints(m, v)

    def _binding(self, bound: Binding, m: Member, v: str) -> None:
        s = self.s
        if m.type == "CodeableConcept":
            self._bound_concept(bound, v)
            return
        test = bound.test(s, m.type, v)
        if test is not None:
            s.line(f"if not ({test}): {'return False' if bound.strength == 'required' else 'c.doubtful = True'}")

    def _bound_concept(self, bound: Binding, v: str) -> None:
        """The binding of a CodeableConcept: a loop, which is cheaper than `any` of a generator."""
        s = self.s
        with s.block(f"for q in {v}.get('coding', ()):"):
            s.line(f"if {bound.coding_test(s, 'q')}: break")
        with s.block("else:"):
            s.line("return False" if bound.strength == "required" else f"if 'coding' in {v}: c.doubtful = True")

    # ------------------------------------------------------------------ rules

    def _rules(self, it: Object) -> None:
        s = self.s
        for rule in invariants.of(it.element, it.path):
            rule.write(s, "o", "p")
        if it.is_resource and it.type not in invariants.UNCONTAINING:
            s.line("if 'contained' in o and not are_contained(o): return False")
        if it.name == "Identifier":
            s.line("if o.get('system') == URIS and 'value' in o and not is_uri(o['value']): c.doubtful = True")
        elif it.name == "Coding":
            s.line("if o.get('system') in SYSTEMS and not c.accepts_Coding(o): return False")
        elif it.is_root and it.name in invariants.NATIVE:
            s.line(f"if not c.accepts_{it.name}(o): return False")
        if it.name == "Extension":
            s.line("if ('extension' in o) == (c0 > 0): return False")
            s.line("if o.get('url') in KNOWN_EXTENSIONS: c.extended = True")
        elif it.name == "Reference":
            with s.block("if 'reference' in o:"):
                s.line("r = o['reference']")
                with s.block("if 'type' in o or not M_relative(r) or r.partition('/')[0] not in RESOURCE_TYPES:"):
                    s.line("if not is_good_reference(o, c): return False")

    def _own_constraints(self, m: Member, v: str) -> None:
        if m.type not in ("BackboneElement", "Element"):  # the function of a backbone element makes them
            for rule in invariants.of(m.element, m.type):
                rule.write(self.s, v, "p")
