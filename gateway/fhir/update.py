"""update, update-as-create and conditional update. Source: https://hl7.org/fhir/R4/http.html#update, #cond-update"""

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import criteria, exclusively, taken, until_quiet
from gateway.fhir.writing import commit, expected, judge, no_searches, shown
from gateway.store import NEW, Change, new_id


async def update(call: Call) -> Answer:
    """PUT Type/id, with If-Match or If-None-Match: *"""
    call.no_parameters()
    resource = call.decoded()
    if resource.get("id") != call.id:
        raise FhirError("GF-207", body=resource.get("id", ""), address=call.id, expression=f"{call.type}.id")
    no_searches(call, resource)
    judgement, issues = judge(call, resource)
    change = Change.update(resource, call.id, expected=expected(call), judgement=judgement)
    (version,) = await commit(call, "update", [change])
    return Answer(201 if version.created else 200, version, location=version.created, issues=shown(call, issues))


async def conditional_update(call: Call) -> Answer:
    """PUT Type?criteria"""
    resource = call.decoded()
    asked = criteria(call, call.type, call.query)
    version = expected(call)
    no_searches(call, resource)
    judgement, issues = judge(call, resource)

    async def act() -> Answer:
        async with exclusively(call, [asked]) as (transaction, found, _):
            existing = found[asked]
            given = resource.get("id")
            if existing is None:
                # with an id of its own it is an update-as-create, which overwrites nothing
                change = Change.update(resource, given or new_id(), expected=NEW, judgement=judgement)
            elif given not in (None, existing.id):
                raise FhirError("GF-207", body=given, address=existing.id, expression=f"{call.type}.id")
            else:
                wanted = existing.version if version is None else version
                change = Change.update(resource, existing.id, expected=wanted, judgement=judgement)
            try:
                (written,) = await commit(call, "update", [change], transaction)
            except FhirError as error:
                raise taken(error, asked, given) from None
        created = written.created
        return Answer(201 if created else 200, written, location=created, issues=shown(call, issues))

    return await until_quiet(act, sure=version is not None)
