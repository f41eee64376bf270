"""What keeps a visit from going to VClaim: its mapping modules run on it, and their reasons become issues."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import mappings
from profiles.fhirjson import Resource
from profiles.validator import Issue, Wording

if TYPE_CHECKING:
    from gateway.settings import Facility

NOTHING = Wording(
    "Tidak ada isi yang meminta pengiriman ke VClaim.",
    "Nothing in here calls for a delivery to VClaim.",
    "Sertakan CoverageEligibilityRequest (SEP) atau ServiceRequest (rujukan) kunjungan ini.",
    "Add the visit's CoverageEligibilityRequest (SEP) or ServiceRequest (referral).",
)


class Claims:
    """Judges a visit Bundle by every VClaim step that something in it calls for."""

    def __init__(self, facility: "Facility | None") -> None:
        self._overlay = facility.mappings if facility is not None else None
        self._facility: dict[str, Any] | None = None
        if facility is not None:
            self._facility = {
                "organization_id": facility.organization_id,
                "kode_faskes": facility.kode_faskes,
                "zone": facility.zone,
                "options": facility.options,
            }

    def judge(self, resource: Resource) -> list[Issue]:
        """The reasons why the destination would not get or take its payload."""
        visit = _visit(resource)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        issues: list[Issue] = []
        called = False
        for inner in (entry["resource"] for entry in visit["entry"]):
            for step in mappings.called_for(inner, self._overlay):
                if step.module.head.destination != "vclaim":
                    continue
                called = True
                rule = f"{step.module.head.name} {step.operation}"
                focus = f"{inner['resourceType']}/{inner['id']}" if "id" in inner else None
                try:
                    product = step(visit, facility=self._facility, now=now, focus=focus)
                    reasons = list(step.check(product))
                except mappings.Held as held:
                    reasons = list(held.reasons)
                issues.extend(_issue(reason, rule) for reason in reasons)
        if not called:
            path = str(resource.get("resourceType"))
            issues.append(Issue("warning", "not-found", "vclaim", "vclaim", path, None, NOTHING))
        return issues


def _visit(resource: Resource) -> Resource:
    rows = resource.get("entry", ()) if resource.get("resourceType") == "Bundle" else [{"resource": resource}]
    held = [row for row in rows if row.__class__ is dict and row.get("resource").__class__ is dict]
    return {**resource, "entry": held} if "entry" in resource else {
        "resourceType": "Bundle", "type": "collection", "entry": held}  # fmt: skip


def _issue(reason: mappings.Reason, rule: str) -> Issue:
    wording = Wording(reason.text("id"), reason.text("en"))
    return Issue("error", "business-rule", "vclaim", f"{rule} {reason.key}", reason.path, reason.value, wording)
