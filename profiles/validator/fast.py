"""The yes/no function of each type: no paths, no allocation, an end at the first fault.

It asks an object for each key that may be there, usual ones first, and is done when it has met as many as there are.
The objects of types with very many keys, which have few of them, are walked over instead.
"""

from typing import NamedTuple

from profiles.definitions import Definitions
from profiles.validator import invariants
from profiles.validator.coded import Binding, binding
from profiles.validator.objects import SELDOM, Member, Object, rank, targets
from profiles.validator.primitives import ABSOLUTE, CONDITIONS, DOUBTS, MAX_STRING, NAMING
from profiles.validator.source import Source

MANY = 48
"""Keys of a type beyond which its objects are walked over."""


class Memory(NamedTuple):
    """What a type remembers of its good objects: the values of `keys`, in the table `name`.

    Other keys are judged anew. `sure` is the condition that they are good together; None is a doubt.
    """

    name: str
    keys: tuple[str, ...]
    sure: str


_UNIT = ("system", "code", "unit")
MEMORIES = {
    "Coding": Memory("CODINGS", ("system", "code", "display"), "c.knows(o)"),
    "Quantity": Memory("QUANTITIES", _UNIT, "c.measures(o)"),
    "SimpleQuantity": Memory("SIMPLE", _UNIT, "True"),
    "Duration": Memory("DURATIONS", _UNIT, "True"),
    "Age": Memory("AGES", _UNIT, "True"),
}
"""Types whose objects say the same again and again."""


NAMES = frozenset({"Extension.url", "Identifier.system"})
"""Elements of type uri whose values are few."""
TEXT = (
    f"{{v}}.__class__ is str and {{v}}.strip() and len({{v}}) <= {MAX_STRING} and '<' not in {{v}} or is_text({{v}}, c)"
)
"""The condition of a string, which most meet by what is asked first."""


class Fast:
    """Writes the functions of the objects that it is given into a source."""

    def __init__(self, definitions: Definitions, source: Source) -> None:
        self.definitions, self.s = definitions, source

    def write(self, it: Object) -> None:
        s, is_reference = self.s, it.name == "Reference"
        with s.function(it.name):
            s.line("if o.__class__ is not dict or not o: return False")
            if is_reference:
                s.line("t = True")  # or the type of resource that a relative reference names
            s.lines(f"c{i} = 0" for i in range(len(it.choices)))
            if len(it.members) > MANY:
                self._walk(it)
            else:
                self._ask(it)
            for i, choice in enumerate(it.choices):
                if choice.least:
                    s.line(f"if c{i} < 1: return False")
            self._rules(it)
            if is_reference:
                s.line("return t")

    # ------------------------------------------------------------------ asking for keys

    def _ask(self, it: Object) -> None:
        s, memory = self.s, MEMORIES.get(it.name)
        plain = sorted((m for m in it.members if m.choice < 0), key=lambda m: rank(m.key))
        usual, seldom = [m for m in plain if m.key not in SELDOM], [m for m in plain if m.key in SELDOM]
        if memory is None:
            s.line(f"n = {int(it.is_resource)}")  # a resource got here by its resourceType
            self._each(usual, it)
        else:
            self._remembered(memory, [m for m in usual if m.key in memory.keys], it)
        with s.block("if n != len(o):"):
            if memory is not None:
                self._each([m for m in usual if m.key not in memory.keys], it)
            for i in range(len(it.choices)):
                # a second key of the choice is not asked for, and so not counted
                self._each([m for m in it.members if m.choice == i], it, "elif")
            with s.block("if n != len(o):"):
                self._each(seldom, it)
                self._companions(it)

    def _each(self, members: list[Member], it: Object, other: str = "if") -> None:
        for i, m in enumerate(members):
            self._asked(m, it, other if i else "if")

    def _remembered(self, memory: Memory, members: list[Member], it: Object) -> None:
        s = self.s
        key = f"({', '.join(f'o.get({key!r})' for key in memory.keys)})"
        with s.block("try:"):
            s.line(f"n = {memory.name}.get({key}, 0)")
        with s.block("except TypeError:"):  # a list or an object where a text belongs
            s.line("return False")
        with s.block("if not n:"):
            s.line("d, c.doubtful = c.doubtful, False")
            self._each(members, it)
            with s.block("if n:"):
                s.line(f"q = {memory.sure}")
                s.line("if q is None: c.doubtful = True")
                s.line("elif not q: return False")
                s.line(f"elif not c.doubtful: remember({memory.name}, {key}, n)")
            s.line("if d: c.doubtful = True")

    def _asked(self, m: Member, it: Object, head: str) -> None:
        s = self.s
        with s.block(f"{head} {m.key!r} in o:"):
            s.line(f"v = o[{m.key!r}]")
            s.line("n += 1")
            self._member(m, it)
        if m.element["min"] and m.choice < 0:
            s.line(f"elif '_{m.key}' not in o: return False" if m.primitive else "else: return False")

    def _companions(self, it: Object) -> None:
        """Keys that are no element: the companions of primitives, or unknown."""
        s = self.s
        with s.block("if n != len(o):"):
            if it.companions:
                table = self._table(it)
                with s.block("for k, v in o.items():"), s.block(f"if k in {table}:"):
                    s.line("n += 1")
                    self._companion(table, it)
                s.line("if n != len(o): return False")
                for i in range(len(it.choices)):
                    s.line(f"if c{i} > 1: return False")
            else:
                s.line("return False")

    def _table(self, it: Object) -> str:
        """The constant that tells of each companion whether it is a list, and of which choice."""
        return self.s.constant(repr({k: (m.many, m.choice) for k, m in it.companions.items()}))

    def _companion(self, table: str, it: Object) -> None:
        s = self.s
        s.line(f"if not companion(o, k, v, {table}[k][0], c): return False")
        if needed := it.needed_values:
            s.line(f"if k in {s.constant(f'frozenset({needed!r})')} and k[1:] not in o: return False")
        for i in range(len(it.choices)):
            s.line(f"if {table}[k][1] == {i} and k[1:] not in o: c{i} += 1")

    # ------------------------------------------------------------------ walking over keys

    def _walk(self, it: Object) -> None:
        s = self.s
        members = sorted(it.members, key=lambda m: rank(m.key))
        numbers = {m.key: i for i, m in enumerate(members)}
        with s.block("for k, v in o.items():"):
            s.line(f"i = {s.constant(repr(numbers))}.get(k, -1)")
            with s.block("if i < 0:"):
                table = self._table(it)
                with s.block(f"if k in {table}:"):
                    self._companion(table, it)
                s.line(f"el{'if k != ' + repr('resourceType') if it.is_resource else 'se'}: return False")
            with s.block("else:"):
                self._tree(members, 0, it)
        for m in it.required:
            pair = f" and '_{m.key}' not in o" if m.primitive else ""
            s.line(f"if {m.key!r} not in o{pair}: return False")
        for i in range(len(it.choices)):
            s.line(f"if c{i} > 1: return False")

    def _tree(self, members: list[Member], first: int, it: Object) -> None:
        """The member number `i` among these, which are numbered from `first`."""
        s, middle = self.s, len(members) // 2
        if not middle:
            self._member(members[0], it)
            return
        with s.block(f"if i < {first + middle}:"):
            self._tree(members[:middle], first, it)
        with s.block("else:"):
            self._tree(members[middle:], first + middle, it)

    # ------------------------------------------------------------------ values

    def _member(self, m: Member, it: Object) -> None:
        """What is asked of the value `v` of a key."""
        s = self.s
        if m.choice >= 0:
            s.line(f"c{m.choice} += 1")
        if m.key == "modifierExtension":
            s.line("c.extended = True")
        if not m.many:
            self._value(m, "v", it)
            if m.key == "id" and not it.is_resource:
                s.line("if len(o) == 1: return False")
            return
        s.line("if v.__class__ is not list or not v: return False")
        if not m.primitive:
            with s.block("for x in v:"):
                self._value(m, "x", it)
            return
        s.line("gap = False")
        with s.block("for x in v:"):
            with s.block("if x is None:"):
                s.line("gap = True")
                s.line("continue")
            self._value(m, "x", it)
        s.line(f"if gap and not has_partner(o, {m.key!r}, v): return False")

    def _value(self, m: Member, v: str, it: Object) -> None:
        s = self.s
        bound = binding(self.definitions, m.element)
        if m.type == "Resource":
            s.line(f"if not c.accepts_{'contained' if m.key == 'contained' else 'inner'}({v}): return False")
            return
        if m.primitive:
            if m.type == "code" and bound is not None and bound.strength == "required":
                self._bound_code(bound, v)
                bound = None
            else:
                self._primitive(m, v)
        elif m.type == "Reference" and (allowed := targets(m)):
            known = s.constant(f"frozenset({allowed!r})")
            s.line(f"t = f_Reference({v}, c)")
            s.line(f"if t not in {known} and (not t or not is_target({v}, {known}, c)): return False")
        else:
            s.line(f"if not f_{m.target}({v}, c): return False")
            if m.type == "Extension" and it.name != "Extension":
                s.line(f"if ':' not in {v}['url']: return False")
            if m.key == "extension":
                stands = f" and not stands({v}, {it.path!r}, c)" if it.name != "Extension" else ""
                s.line(f"if {v}['url'] in KNOWN_EXTENSIONS{stands}: c.extended = True")
        if bound is not None:
            self._binding(bound, m, v)
        if m.type not in ("BackboneElement", "Element"):  # the function of a backbone element makes them
            for rule in invariants.of(m.element, m.type):
                rule.write(s, v, "p")

    def _primitive(self, m: Member, v: str) -> None:
        s = self.s
        if m.element["id"] == "Reference.reference":
            s.line(f"if {v}.__class__ is not str: return False")
            s.line(f"t = REFERENCES.get({v}) or refers_to({v})")
            s.line(f"if t is True and not is_text({v}, c): return False")
        elif m.type in ("string", "markdown"):
            s.line(f"if not ({TEXT.format(v=v)}): return False")
        else:
            test = NAMING if m.element["id"] in NAMES else CONDITIONS[m.type]
            s.line(f"if not ({test.format(v=v)}): return False")
            if m.type in DOUBTS:
                s.line(f"if {DOUBTS[m.type][1].format(v=v)}: c.doubtful = True")
        if m.element["path"] in ABSOLUTE:
            s.line(f"if ':' not in {v}: return False")

    def _bound_code(self, bound: Binding, v: str) -> None:
        kind = f"{v}.__class__ is str" if bound.codes is not None else CONDITIONS["code"].format(v=v)
        self.s.line(f"if not ({kind} and {bound.code_test(self.s, v)}): return False")

    def _binding(self, bound: Binding, m: Member, v: str) -> None:
        s = self.s
        if m.type != "CodeableConcept":
            test = bound.test(s, m.type, v)
            if test is not None:
                s.line(f"if not ({test}): {'return False' if bound.strength == 'required' else 'c.doubtful = True'}")
            return
        with s.block(f"for q in {v}.get('coding', ()):"):  # cheaper than `any` of a generator
            s.line(f"if {bound.coding_test(s, 'q')}: break")
        with s.block("else:"):
            fault = "return False" if bound.strength == "required" else "c.doubtful = True"
            s.line(fault if bound.needed else f"if 'coding' in {v}: {fault}")

    # ------------------------------------------------------------------ rules

    def _rules(self, it: Object) -> None:
        s = self.s
        for rule in invariants.of(it.element, it.path):
            rule.write(s, "o", "p")
        if it.is_resource and it.type not in invariants.UNCONTAINING:
            s.line("if 'contained' in o and not are_contained(o): return False")
        if it.name == "Identifier":
            s.line("if o.get('system') == URIS and 'value' in o and not is_uri(o['value']): c.doubtful = True")
        elif it.is_root and it.name in invariants.NATIVE and it.name not in MEMORIES:
            s.line(f"if not c.accepts_{it.name}(o): return False")
        if it.name == "Extension":
            s.line("if ('extension' in o) == (c0 > 0): return False")
        elif it.name == "Reference":
            s.line("if 'reference' in o and (t is True or 'type' in o) and not is_good_reference(o, c): return False")
