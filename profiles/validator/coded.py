"""Bindings: which codes an element may hold, as Python conditions.

Source: https://hl7.org/fhir/R4/terminologies.html#strength
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from profiles.definitions import Definitions
from profiles.definitions.expand import Coded
from profiles.validator.source import Source

Json = dict[str, Any]

MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"

PREDICATES = {
    "http://hl7.org/fhir/ValueSet/mimetypes": "is_mime_type",
    "http://www.rfc-editor.org/bcp/bcp13.txt": "is_mime_type",
    "http://hl7.org/fhir/ValueSet/all-languages": "is_language",
    "http://hl7.org/fhir/ValueSet/ucum-units": "is_unit",
    "http://hl7.org/fhir/ValueSet/timezones": "is_time_zone",
}
"""Value sets that nobody can list but a function can judge: url → function of the runtime."""

MOST_CHOICES_SHOWN = 12

_KINDS = {
    **dict.fromkeys(("code", "uri", "url", "canonical", "string", "markdown", "id"), "code"),
    **dict.fromkeys(("Quantity", "Duration", "Age", "Count", "Distance", "Money", "SimpleQuantity"), "Quantity"),
    "Coding": "Coding",
    "CodeableConcept": "CodeableConcept",
}
"""Types that bear codes, by the way in which they do."""


class Binding(NamedTuple):
    """What an element is bound to: codes that can be listed, or a function that judges one."""

    strength: str
    url: str
    codes: frozenset[Coded] | None
    predicate: str | None
    needed: bool
    """Whether text alone is too little."""

    def choices(self) -> str:
        """The codes to choose from, for a message."""
        codes = sorted({code for _, code in self.codes or ()})
        return ", ".join(codes[:MOST_CHOICES_SHOWN]) + (" …" if len(codes) > MOST_CHOICES_SHOWN else "")

    def code_test(self, s: Source, v: str) -> str:
        """The condition that the code `v` (a str) is in the set."""
        if self.codes is None:
            return f"{self.predicate}({v})"
        return f"{v} in {s.constant(_literal(code for _, code in self.codes))}"

    def test(self, s: Source, type_: str, v: str) -> str | None:
        """The condition that the value of a coded type is in the set; None for a type that bears no code.

        A required binding wants a code; an extensible one is silent where there is only text, and so is one that is no
        more than preferred: its maximum set bounds the codes that are given (as HL7's validator has it).
        """
        needed = self.needed
        if _KINDS.get(type_) == "code":
            return f"{v}.__class__ is not str or {self.code_test(s, v)}"
        if type_ == "Coding":
            return f"({self.coding_test(s, v)})" if needed else f"'code' not in {v} or {self.coding_test(s, v)}"
        if _KINDS.get(type_) == "Quantity":
            return f"'code' not in {v} or {self.coding_test(s, v)}"
        return None

    def loose_test(self, s: Source, type_: str, v: str) -> str | None:
        """The same condition for a value that may be of any shape; what has the wrong one is taken for absent."""
        kind = _KINDS.get(type_)
        if kind is None:
            return None
        if self.codes is None:
            table = str(self.predicate)
        else:
            rows = ", ".join(f"{system!r}: {_literal(codes)}" for system, codes in self._by_system())
            table = s.constant("{" + rows + "}")
        return f"is_coded({v}, {kind!r}, {table}, {self.needed})"

    def _by_system(self) -> list[tuple[str, list[str]]]:
        systems: dict[str, list[str]] = {}
        for system, code in self.codes or ():
            systems.setdefault(system, []).append(code)
        return sorted(systems.items())

    def coding_test(self, s: Source, v: str) -> str:
        """The condition that the Coding `v` is in the set."""
        if self.codes is None:
            return f"{self.predicate}({v}.get('code'))"
        systems = self._by_system()
        if len(systems) == 1:
            system, codes = systems[0]
            return f"{v}.get('code') in {s.constant(_literal(codes))} and {v}.get('system') == {system!r}"
        table = ", ".join(f"{system!r}: {_literal(codes)}" for system, codes in systems)
        return f"{v}.get('code') in {s.constant('{' + table + '}')}.get({v}.get('system'), ())"


def binding(definitions: Definitions, element: Json) -> Binding | None:
    """The binding of an element that can be judged here: required, extensible, or bounded by a maximum value set."""
    bound = element.get("binding")
    if bound is None:
        return None
    for extension in bound.get("extension", ()):
        if extension["url"] == MAX_VALUE_SET:
            widest = _judged(definitions, "required", extension["valueCanonical"])
            if widest is not None:
                return widest._replace(needed=bound["strength"] != "preferred")
    if bound["strength"] in ("required", "extensible") and "valueSet" in bound:
        return _judged(definitions, bound["strength"], bound["valueSet"])
    return None


def _judged(definitions: Definitions, strength: str, url: str) -> Binding | None:
    url = url.partition("|")[0]
    codes = definitions.value_set(url)
    predicate = PREDICATES.get(url)
    if not codes and predicate is None:
        return None
    return Binding(strength, url, codes or None, predicate, strength == "required")


def _literal(codes: Iterable[str]) -> str:
    return "frozenset((" + "".join(f"{code!r}," for code in sorted(set(codes))) + "))"
