"""FHIRPath 2.0 with FHIR R4's additions: `compile(expr, type=None)(resource, **variables) -> list`, `evaluate`.

Results are Python values: str, bool, int, Decimal, dict for complex elements, and this module's own `Quantity`,
`FHIRDate`, `FHIRDateTime`, `FHIRTime` where an expression makes such a value; an element of the data comes out
as its JSON has it. A primitive that has only extensions counts within an expression, but has no value to come out with.

Variables become `%name`: Python values or lists of them. Four are callables of the host that expressions do not see:
`resolver(reference) -> Resource | None` for `resolve()`, `conforms(value, profile) -> bool` for `conformsTo()`,
`trace(name, values)`, `terminology(operation, *arguments)` for `memberOf`, `subsumes` and `%terminologies`.
Source: https://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html.
"""

from profiles.fhirpath.compiled import Expression, compile, evaluate
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.model import is_fhir_type as is_type
from profiles.fhirpath.quantity import Quantity
from profiles.fhirpath.temporal import FHIRDate, FHIRDateTime, FHIRTime

__all__ = [
    "Expression",
    "FHIRDate",
    "FHIRDateTime",
    "FHIRPathError",
    "FHIRTime",
    "Quantity",
    "compile",
    "evaluate",
    "is_type",
]
