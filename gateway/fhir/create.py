"""create, and create unless it exists. Source: https://hl7.org/fhir/R4/http.html#create, #ccreate"""

from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import criteria, exclusively
from gateway.fhir.writing import commit, judge, no_searches, shown
from gateway.store import Change, new_id


async def create(call: Call) -> Answer:
    """POST Type, with If-None-Exist too. An id in the body is replaced: the server chooses.

    Criteria in the address (`POST Type?identifier=…`, as fhirpy and Aidbox write them) mean the same as the header.
    """
    resource = call.decoded()
    no_searches(call, resource)
    judgement, issues = judge(call, resource)
    change = Change.create(resource, new_id(), judgement=judgement)
    unless = call.header(b"if-none-exist") or call.query
    if unless:
        asked = criteria(call, call.type, unless)
        async with exclusively(call, [asked]) as (transaction, found, _):
            existing = found[asked]
            if existing is not None:
                return Answer(200, existing, location=True)
            versions = await commit(call, "create", [change], transaction)
    else:
        versions = await commit(call, "create", [change])
    return Answer(201, versions[0], location=True, issues=shown(call, issues))
