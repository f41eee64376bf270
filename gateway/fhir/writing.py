"""What every write does: judge the resource, then commit change, audit event and deliveries together."""

from collections.abc import Sequence
from time import perf_counter_ns

from gateway.errors import FhirError, Rejected
from gateway.fhir.call import Call
from gateway.fhir.references import references
from gateway.fhir.view import is_subsetted
from gateway.security import audit
from gateway.store import NEW, Change, Judgement, Transaction, Version, VersionConflict
from gateway.store.forms import Filled
from gateway.subscriptions import Allowed, Secrets, admit
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource
from profiles.indonesia import profile_of
from profiles.validator import Issue, outcome


def judge(call: Call, resource: Resource) -> tuple[Judgement, list[Issue]]:
    """The validator's findings on a resource that is to be written.

    Raises Rejected where the base tier, or a tier that the facility refuses, has an error, and FhirError GF-311 for
    what is only a part of a resource.
    """
    started = perf_counter_ns()
    found = call.services.validator(call.facility).validate(resource)
    if found:
        refusing = {"base", *call.facility.refuse}
        if any(issue.tier in refusing and issue.severity in ("error", "fatal") for issue in found):
            raise Rejected(found)
    elapsed = (perf_counter_ns() - started) // 1000
    if "meta" in resource and any(is_subsetted(tag) for tag in resource["meta"].get("tag", ())):
        raise FhirError("GF-311", expression=f"{resource['resourceType']}.meta.tag")
    profile = profile_of(resource["resourceType"])
    named = resource.get("meta", {}).get("profile", ())
    held_to = list(dict.fromkeys([*named, *([profile] if profile else [])]))
    rules = ["satusehat"] if call.facility.satusehat else []
    return Judgement([kept(issue) for issue in found], held_to, rules, elapsed), found


def no_searches(call: Call, resource: Resource) -> None:
    """Refuse references by criteria (`Patient?identifier=…`): only a transaction looks them up. Raises FhirError
    GF-510."""
    if call.body and b"?" not in call.body:
        return
    for reference in references(resource):
        kind, mark, _ = reference.partition("?")
        if mark and kind in RESOURCE_TYPES:
            raise FhirError("GF-510", reference=reference)


def kept(issue: Issue) -> dict[str, str]:
    """A finding as it is stored with the version, for the reports: in both languages, `fix` is what to do."""
    row = {"severity": issue.severity, "code": issue.code, "tier": issue.tier, "rule": issue.rule, "path": issue.path}
    row |= {"id": issue.text("id"), "en": issue.text("en"), "fix_id": issue.fix("id"), "fix_en": issue.fix("en")}
    return row


def shown(call: Call, found: Sequence[Issue]) -> list[dict[str, object]]:
    """The findings as OperationOutcome issues in the caller's language."""
    return outcome(found, call.lang)["issue"] if found else []


def entry_findings(found: Sequence[Issue], index: int) -> list[Issue]:
    """The findings on the resource of a Bundle entry, with the entry in their paths."""
    place = f"Bundle.entry[{index}].resource"
    return [
        issue._replace(path=f"{place}.{rest}" if (rest := issue.path.partition(".")[2]) else place) for issue in found
    ]


def expected(call: Call) -> int | None:
    """The version that `If-Match` names, NEW for `If-None-Match: *`, None for neither.

    Raises FhirError GF-106, and GF-212 where the facility wants a version and none is given.
    """
    if call.header(b"if-none-match").strip() == "*":
        return NEW
    given = call.header(b"if-match")
    if not given and call.id and call.facility.require_if_match:
        raise FhirError("GF-212", reference=call.reference)
    return etag(given)


def etag(header: str) -> int | None:
    """The version number of `W/"3"`; None of an empty header or `*`. Raises FhirError GF-106."""
    given = header.strip()
    if given in ("", "*"):
        return None
    number = given.removeprefix("W/").strip('"')
    if not number.isascii() or not number.isdigit() or int(number) == 0:
        # an id that we never gave matches nothing, but says that the caller misunderstood
        raise FhirError("GF-106", header="If-Match", value=given, wanted='W/"3"')
    return int(number)


async def commit(
    call: Call,
    interaction: str,
    changes: Sequence[Change],
    transaction: Transaction | None = None,
    *,
    deliver: bool = True,
) -> Sequence[Version]:
    """Write the changes with one AuditEvent and, if `deliver`, the deliveries they call for: all or nothing.

    Raises FhirError GF-204, GF-208 or GF-209 where a version is not the expected one, and what the store raises.
    """
    secrets: Secrets = {}
    if any(change.type == "Subscription" for change in changes):
        allowed = Allowed(call.services.settings.subscription_hosts)
        changes, secrets = await admit(call.services.store, allowed, call.facility, call.who, changes)
    resources = {change.reference: change.resource for change in changes}

    def audits(versions: Sequence[Version]) -> list[Resource | Filled]:
        return [audit.of_write(call.visitor, interaction, versions, resources)] if versions else []

    planned = call.services.deliveries(call.facility, changes, secrets) if deliver else None
    try:
        if transaction is None:
            return await call.services.store.write(call.facility.slug, changes, audits=audits, also=planned)
        versions = await transaction.write(changes, audits=audits)
        if planned is not None:
            await planned(transaction.connection, versions)
        return versions
    except VersionConflict as conflict:
        raise _conflict(conflict) from None


def _conflict(conflict: VersionConflict) -> FhirError:
    """What the caller is told when a version is not the expected one."""
    if conflict.expected == NEW:
        return FhirError("GF-208", reference=conflict.reference)
    if conflict.expected is not None and not conflict.current:
        return FhirError("GF-213", reference=conflict.reference, given=conflict.expected)
    if conflict.expected is not None:
        return FhirError("GF-204", reference=conflict.reference, current=conflict.current, given=conflict.expected)
    return FhirError("GF-209", reference=conflict.reference)
