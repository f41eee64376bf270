"""delete and conditional delete. Source: https://hl7.org/fhir/R4/http.html#delete, #3.1.0.7.1"""

from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import criteria, exclusively
from gateway.fhir.writing import commit, expected
from gateway.store import Change


async def delete(call: Call) -> Answer:
    """DELETE Type/id: its history stays. Deleting what is not there succeeds too."""
    call.no_parameters()
    versions = await commit(call, "delete", [Change.delete(call.type, call.id, expected=expected(call))])
    return Answer(204, versions[0] if versions else None)


async def conditional_delete(call: Call) -> Answer:
    """DELETE Type?criteria: the one match, or nothing."""
    asked = criteria(call, call.type, call.query)
    async with exclusively(call, [asked]) as (transaction, found):
        existing = found[asked]
        if existing is None:
            return Answer(204)
        versions = await commit(call, "delete", [Change.delete(call.type, existing.id)], transaction)
    return Answer(204, versions[0] if versions else None)
