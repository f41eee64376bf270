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
    """DELETE Type?criteria: what matches, if anything does; several only where the facility deletes many."""
    asked = criteria(call, call.type, call.query)
    async with exclusively(call, [asked], [asked] if call.facility.delete_many else ()) as (transaction, found, more):
        first = found[asked]
        if first is None:
            return Answer(204)
        changes = [Change.delete(call.type, one.id) for one in (first, *more[asked])]
        versions = await commit(call, "delete", changes, transaction)
    return Answer(204, versions[0] if len(versions) == 1 else None)
