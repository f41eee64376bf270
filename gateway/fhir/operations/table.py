"""Every operation of the server, in the order in which the CapabilityStatement lists them."""

from gateway.fhir.operations import codes, expand, meta, subscriptions, translate, validate_code
from gateway.fhir.operations.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *meta.OPERATIONS,
    *codes.OPERATIONS,
    *validate_code.OPERATIONS,
    *expand.OPERATIONS,
    *translate.OPERATIONS,
    *subscriptions.OPERATIONS,
)
