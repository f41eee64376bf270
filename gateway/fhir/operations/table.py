"""Every operation of the server, in the order in which the CapabilityStatement lists them."""

from gateway.fhir.operations import (
    codes,
    diff,
    document,
    everything,
    expand,
    lastn,
    meta,
    purge,
    subscriptions,
    transform,
    translate,
    validate_code,
)
from gateway.fhir.operations.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *meta.OPERATIONS,
    *codes.OPERATIONS,
    *validate_code.OPERATIONS,
    *expand.OPERATIONS,
    *translate.OPERATIONS,
    *everything.OPERATIONS,
    *diff.OPERATIONS,
    *document.OPERATIONS,
    *lastn.OPERATIONS,
    *transform.OPERATIONS,
    *purge.OPERATIONS,
    *subscriptions.OPERATIONS,
)
