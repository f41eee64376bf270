"""The reporting twin of each type's function: walks the keys of an object and says what is wrong with each.

A key that it does not know is unknown, what it knows is checked in place, what must be there is counted at the end.
"""

from profiles.definitions import Definitions
from profiles.validator import invariants
from profiles.validator.coded import Binding, binding
from profiles.validator.objects import Member, Object, rank, targets
from profiles.validator.primitives import ABSOLUTE, CONDITIONS, DOUBTS
from profiles.validator.source import Source


class Report:
    """Writes the twins of the objects that it is given into a source."""

    def __init__(self, definitions: Definitions, source: Source) -> None:
        self.definitions, self.s = definitions, source

    def write(self, it: Object) -> None:
        s = self.s
        with s.function(it.name):
            s.lines(f"c{i} = 0" for i in range(len(it.choices)))
            self._keys(it)
            for m in it.required:
                pair = f" and '_{m.key}' not in o" if m.primitive else ""
                facts = {"min": m.element["min"], "max": m.element["max"], "count": 0}
                missing = s.bad("missing", f"p + '.{m.key}'", m.element["id"], **facts)
                s.line(f"if {m.key!r} not in o{pair}: {missing}")
            for i, choice in enumerate(it.choices):
                rule = f"{it.path}.{choice.name}[x]"
                many = s.bad("choice", f"p + '.{choice.name}'", rule, found=f"{', '.join(choice.keys[:4])} …")
                s.line(f"if c{i} > 1: {many}")
                if choice.least:
                    facts = {"min": choice.least, "max": "1", "count": 0}
                    missing = s.bad("missing", f"p + '.{choice.name}[x]'", rule, **facts)
                    s.line(f"if c{i} < 1: {missing}")
            self._rules(it)

    # ------------------------------------------------------------------ keys

    def _keys(self, it: Object) -> None:
        s = self.s
        with s.block("for k, v in o.items():"):
            head = "if"
            if it.is_resource:
                wrong = s.bad("resource-type", "p + '.resourceType'", it.type, "v", suggestion_id="", suggestion_en="")
                with s.block("if k == 'resourceType':"):
                    s.line(f"if v != {it.type!r}: {wrong}")
                head = "elif"
            for m in sorted(it.members, key=lambda m: rank(m.key)):
                with s.block(f"{head} k == {m.key!r}:"):
                    self._member(m, it)
                head = "elif"
            with s.block("else:"):
                self._others(it)

    def _others(self, it: Object) -> None:
        """A key that is no element: the `_…` companion of a primitive, or unknown."""
        s = self.s
        known = s.constant(repr(tuple(m.key for m in it.members)))
        unknown = f"c.unknown(p, k, v, {it.path!r}, {known})"
        companions = {k: (m.many, m.choice) for k, m in it.companions.items()}
        if not companions:
            s.line(unknown)
            return
        table = s.constant(repr(companions))
        with s.block(f"if k in {table}:"):
            s.line(f"c.companion(o, k, v, {table}[k][0], p, {it.path!r})")
            if needed := it.needed_values:
                codes = s.constant(f"frozenset({needed!r})")
                s.line(f"if k in {codes} and k[1:] not in o: c.valueless(k, p, {it.path!r})")
            for i in range(len(it.choices)):
                s.line(f"if {table}[k][1] == {i} and k[1:] not in o: c{i} += 1")
        with s.block("else:"):
            s.line(unknown)

    def _member(self, m: Member, it: Object) -> None:
        """What is said of the value of one key."""
        s, rule = self.s, m.element["id"]
        if m.choice >= 0:
            s.line(f"c{m.choice} += 1")
        if not m.many:
            self._value(m, "v", f"p + '.{m.step}'")
            if m.key == "id" and not it.is_resource:
                s.line(f"if len(o) == 1: {s.bad('only-id', 'p', rule)}")
            return
        with s.block("if v.__class__ is not list or not v:"):
            s.line(f"c.not_list(v, p + '.{m.step}', {rule!r})")
        with s.block("else:"), s.block("for n, x in enumerate(v):"):
            path = f"f'{{p}}.{m.step}[{{n}}]'"
            if not m.primitive:
                self._value(m, "x", path)
                return
            s.line(f"if x is None: c.null_item(o, k, n, {path}, {rule!r})")
            with s.block("else:"):
                self._value(m, "x", path)

    # ------------------------------------------------------------------ values

    def _value(self, m: Member, v: str, path: str) -> None:
        if m.primitive:
            self._primitive(m, v, path)
        elif m.type == "Resource":
            kind = "contained" if m.key == "contained" else "inner"
            self.s.line(f"c.report_{kind}({v}, {path}, {m.element['id']!r})")
        else:
            self._complex(m, v, path)

    def _primitive(self, m: Member, v: str, path: str) -> None:
        s, rule = self.s, m.element["id"]
        bound = binding(self.definitions, m.element)
        # what leniency lets pass of a narrative is still to be said
        test = f"is_strict_narrative({v})" if m.type == "xhtml" else CONDITIONS[m.type].format(v=v)
        s.line(f"if not ({test}): c.primitive({v}, {m.type!r}, {path}, {rule!r})")
        if bound is not None and bound.strength == "required" and m.type == "code":
            facts = {"valueset": bound.url, "codes": bound.choices()}
            s.line(f"elif not ({bound.code_test(s, v)}): {s.bad('code-required', path, rule, v, **facts)}")
        elif bound is not None:
            self._binding(bound, m, v, path)
        if m.type in DOUBTS:
            key, doubt = DOUBTS[m.type]
            s.line(f"if {v}.__class__ is str and {doubt.format(v=v)}: {s.warn(key, path, rule, v)}")
        if m.element["path"] in ABSOLUTE:
            s.line(f"if {v}.__class__ is str and ':' not in {v}: {s.bad('system-relative', path, rule, v)}")
        self._own_constraints(m, v, path)

    def _complex(self, m: Member, v: str, path: str) -> None:
        s, rule = self.s, m.element["id"]
        with s.block(f"if {v}.__class__ is not dict or not {v}:"):
            s.line(f"c.not_object({v}, {path}, {rule!r})")
        with s.block("else:"):
            s.line(f"r_{m.target}({v}, {path}, c)")
            if m.type == "Extension" and not m.element["path"].startswith("Extension."):
                s.line(f"c.extension_url({v}, {path})")
            bound = binding(self.definitions, m.element)
            if bound is not None:
                self._binding(bound, m, v, path)
            if m.type in ("Reference", "CodeableReference") and (allowed := targets(m)):
                s.line(f"c.target({v}, {s.constant(f'frozenset({allowed!r})')}, {path}, {rule!r})")
            self._own_constraints(m, v, path)

    def _binding(self, bound: Binding, m: Member, v: str, path: str) -> None:
        s, rule = self.s, m.element["id"]
        test = bound.loose_test(s, m.type, v)
        if test is None:
            return
        if bound.strength == "required":
            facts = {"valueset": bound.url, "codes": bound.choices()}
            s.line(f"if not ({test}): {s.bad('concept-required', path, rule, v, **facts)}")
        else:
            s.line(f"if not ({test}): {s.warn('concept-extensible', path, rule, v, valueset=bound.url)}")

    # ------------------------------------------------------------------ rules

    def _rules(self, it: Object) -> None:
        s = self.s
        for rule in invariants.of(it.element, it.path):
            rule.write(s, "o", "p")
        if it.is_resource and it.type not in invariants.UNCONTAINING:
            s.line("if 'contained' in o: c.report_unused(o, p)")
        if it.is_root and it.name in invariants.NATIVE:
            s.line(f"c.report_{it.name}(o, p)")
        if it.name == "Extension":
            s.line(f"if ('extension' in o) == (c0 > 0): {s.bad('extension-both', 'p', 'ext-1')}")
        elif it.name == "Reference":
            s.line("if 'reference' in o: c.reference(o, p)")

    def _own_constraints(self, m: Member, v: str, path: str) -> None:
        if m.type not in ("BackboneElement", "Element"):  # the function of a backbone element makes them
            for rule in invariants.of(m.element, m.type):
                rule.write(self.s, v, path)
