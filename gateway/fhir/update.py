"""update, update-as-create and conditional update. Source: https://hl7.org/fhir/R4/http.html#update, #cond-update"""

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import criteria, exclusively, match
from gateway.fhir.writing import commit, expected, judge, mutable, shown
from gateway.store import Change, new_id


async def update(call: Call) -> Answer:
    """PUT Type/id, with If-Match or If-None-Match: *"""
    call.no_parameters()
    mutable(call.type)
    resource = call.decoded()
    if resource.get("id") != call.id:
        raise FhirError("GF-207", body=resource.get("id", ""), address=call.id, expression=f"{call.type}.id")
    judgement, found = judge(call, resource)
    change = Change.update(resource, call.id, expected=expected(call), judgement=judgement)
    (version,) = await commit(call, "update", [change])
    return Answer(201 if version.created else 200, version, location=version.created, issues=shown(call, found))


async def conditional_update(call: Call) -> Answer:
    """PUT Type?criteria"""
    mutable(call.type)
    resource = call.decoded()
    asked = criteria(call.type, call.query)
    judgement, found = judge(call, resource)
    async with exclusively(call, [asked]) as transaction:
        existing = await match(transaction, asked)
        given = resource.get("id")
        if existing is None:
            # with an id of its own it is an update-as-create, which must not overwrite what the criteria did not meet
            change = Change.create(resource, given or new_id(), judgement=judgement)
        elif given not in (None, existing.id):
            raise FhirError("GF-207", body=given, address=existing.id, expression=f"{call.type}.id")
        else:
            version = expected(call)
            change = Change.update(resource, existing.id, expected=version or existing.version, judgement=judgement)
        (written,) = await commit(call, "update", [change], transaction)
    return Answer(201 if written.created else 200, written, location=written.created, issues=shown(call, found))
