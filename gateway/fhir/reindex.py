"""$reindex: takes in the site's own SearchParameters and reads every resource again, in the background.

A SearchParameter is stored like any resource. From $reindex on every write keeps to it; searches may name it, and the
CapabilityStatement declares it, once all resources that were there before have been read again.
"""

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.search import refusal
from gateway.security.audit import instant
from gateway.store import BadParameter, Progress
from profiles.fhirjson import Resource

DEFINITION = "urn:gapura:operation:reindex"


async def begin(call: Call) -> Answer:
    """POST $reindex: 202 with how far it is. Raises FhirError GF-402 for a SearchParameter that cannot be used."""
    call.no_parameters()
    try:
        progress = await call.services.store.reindex(call.facility.slug)
    except BadParameter as bad:
        raise refusal("SearchParameter", bad) from None
    call.audited("$reindex", "")
    return Answer(202, resource=_parameters(progress))


async def progress(call: Call) -> Answer:
    """GET $reindex: how far it is. Raises FhirError GF-708."""
    call.no_parameters()
    found = await call.services.store.reindexing(call.facility.slug)
    if found is None:
        raise FhirError("GF-708")
    return Answer(200, resource=_parameters(found))


def _parameters(progress: Progress) -> Resource:
    said: list[dict[str, object]] = [
        {"name": "state", "valueCode": "completed" if progress.finished else "in-progress"},
        {"name": "done", "valueInteger": progress.done},
        {"name": "total", "valueInteger": progress.total},
        {"name": "started", "valueInstant": instant(progress.started)},
    ]
    if progress.finished:
        said.append({"name": "finished", "valueInstant": instant(progress.finished)})
    for url in progress.parameters:
        use = {"name": "usable", "valueBoolean": url in progress.searched}
        said.append({"name": "parameter", "part": [{"name": "url", "valueUri": url}, use]})
    return {"resourceType": "Parameters", "parameter": said}
