"""The ministry's rules over what is about to be sent to SATUSEHAT."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gateway.outbox.attempt import NotReady
from gateway.settings import Facility
from gateway.terminology import tables
from profiles.fhirjson import Resource
from profiles.rules import NOTHING, Rules


def judged(made: Resource, facility: Facility, home: Path, beside: Mapping[str, Resource] = NOTHING) -> dict[str, Any]:
    """Judge a resource or Bundle, by the code tables under `home` too; returns what was checked, as it is kept with
    the delivery. `beside`: what it refers to and SATUSEHAT has already, by its reference there.

    Raises NotReady with every broken rule.
    """
    found = _rules(facility.organization_id, facility.slug, home).judge(made, beside=beside)
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
def _rules(organization_id: str, slug: str, home: Path) -> Rules:
    return Rules(organization_id, tables(home, slug))
