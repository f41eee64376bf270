"""References whose target is not in the store: what $validate says of them.

A write does not ask (a record may arrive before what it refers to); its delivery waits for what is missing.
Source: https://hl7.org/fhir/R4/references.html#literal
"""

from gateway.fhir.call import Call
from gateway.fhir.search import visible
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource
from profiles.validator import Issue
from profiles.validator.bundle import Entries
from profiles.validator.references import Place, is_relative, located, within
from profiles.validator.wording import messages

MOST = 1000
"""References that are looked up."""


async def missing(call: Call, resource: Resource) -> list[Issue]:
    """A warning for each local reference (`Type/id`) to nothing that is stored, of types that the caller may see."""
    among = visible(call)
    own = f"{resource.get('resourceType')}/{resource.get('id')}"
    entries = Entries(resource)
    asked: dict[str, list[Place]] = {}
    for text, place in within(resource):
        target = text.partition("/_history/")[0]
        kind = target.partition("/")[0]
        seen = kind in RESOURCE_TYPES and (among is None or kind in among)
        if seen and is_relative(target) and target != own and entries.find(text) is None and len(asked) < MOST:
            asked.setdefault(target, []).append(place)
    if not asked:
        return []
    stored = await call.services.store.existing(call.facility.slug, list(asked))
    message, root = messages()["reference-stored"], str(resource.get("resourceType"))
    return [
        Issue("warning", message.code, "base", "Reference.reference", located(place, root), target, message.wording, {})
        for target, places in asked.items()
        if target not in stored
        for place in places
    ]
