"""The ministry's rules over what is about to be sent to SATUSEHAT."""

from functools import cache
from typing import Any

from gateway.outbox.attempt import NotReady
from profiles.fhirjson import Resource
from profiles.rules import Rules


def judged(made: Resource, organization_id: str) -> dict[str, Any]:
    """Judge a resource or Bundle; returns what was checked, as it is kept with the delivery.

    Raises NotReady with every broken rule.
    """
    found = _rules(organization_id).judge(made)
    errors = [issue for issue in found if issue.severity in ("error", "fatal")]
    if errors:
        raise NotReady(
            "rules",
            tuple(
                {
                    "key": issue.rule,
                    "path": issue.path,
                    "id": f"{issue.text('id')} {issue.fix('id')}".strip(),
                    "en": f"{issue.text('en')} {issue.fix('en')}".strip(),
                    "value": None if issue.value is None else str(issue.value),
                }
                for issue in errors
            ),
        )
    return {"checked": "satusehat-rules", "warnings": sorted({issue.rule for issue in found})}


@cache
def _rules(organization_id: str) -> Rules:
    return Rules(organization_id)
