"""POST of a Bundle to the root: a transaction or a batch. Source: https://hl7.org/fhir/R4/http.html#transaction"""

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call


async def process(call: Call) -> Answer:
    """POST / with a Bundle of type transaction (all or nothing) or batch (each entry for itself)."""
    # the two import the routes table, which imports this file
    from gateway.fhir import batch, transaction

    call.no_parameters()
    bundle = call.decoded()
    if bundle["resourceType"] != "Bundle":
        raise FhirError("GF-303", body=bundle["resourceType"], address="Bundle")
    kind = bundle.get("type")
    if kind == "transaction":
        return await transaction.transaction(call, bundle)
    if kind == "batch":
        return await batch.batch(call, bundle)
    raise FhirError("GF-501", type=kind or "", expression="Bundle.type")
