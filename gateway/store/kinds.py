"""Which FHIR types the values of a search expression have, told from the definitions alone."""

import re
from functools import cache

from profiles import definitions
from profiles.fhirpath.model import fhir_type, is_fhir_type

_STEP = re.compile(r"\.(\w+)(\((?:[^()]|\([^()]*\))*\))?")
_KEEPING = frozenset({"where", "first", "last", "single", "distinct", "tail", "take", "skip"})
"""Functions that only leave items out."""
MEDIA_TYPES = "http://hl7.org/fhir/ValueSet/mimetypes"


@cache
def value_types(expression: str) -> frozenset[str]:
    """The types of what a path with filters and casts selects (`Patient.telecom.where(system='phone')`); empty where
    the expression does more than that."""
    head, dot, _ = expression.partition(".")
    if not dot or not is_fhir_type(head):
        return frozenset()
    found, position = {fhir_type(head)}, len(head)
    while position < len(expression):
        step = _STEP.match(expression, position)
        if step is None:
            return frozenset()
        name, call = step.groups()
        if call is None:
            elements = [element for kind in found if (element := kind.elements.get(name))]
            found = {kind for element in elements for _, kind in element.keys}
        elif name in ("ofType", "as"):
            found = {kind for kind in found if kind.name == call[1:-1]}
        elif name not in _KEEPING:
            return frozenset()
        position = step.end()
    return frozenset(kind.name for kind in found)


@cache
def holds_media_types(expression: str) -> bool:
    """Whether a path selects media types, told from the binding of its last element."""
    owner, _, leaf = expression.rpartition(".")
    return any(_bound(kind, leaf) == MEDIA_TYPES for kind in value_types(owner))


def _bound(kind: str, name: str) -> str | None:
    """The value set of an element of a type, or of a part of one (`Subscription.channel`)."""
    structure = definitions.structure(kind.partition(".")[0]) or {"snapshot": {"element": ()}}
    found = (e for e in structure["snapshot"]["element"] if e["path"] == f"{kind}.{name}" and "binding" in e)
    return next((str(element["binding"].get("valueSet")).partition("|")[0] for element in found), None)
