"""The check of identifiers: the ministry's `sys-ids` systems, and the organisation that they carry."""

import re
from collections.abc import Iterator
from typing import Any

from profiles.rules.book import Rule
from profiles.rules.check import Check
from profiles.rules.coded import MANY
from profiles.rules.codes import Site
from profiles.rules.findings import Judgement, Place

_ORGANISATIONS = {"{org}": r"(?P<org>[A-Za-z0-9-]+)", "{any}": r"[A-Za-z0-9-]+"}


def identifier(rule: Rule, site: Site) -> Check:
    """An Identifier of one of `systems`: `encounter/{org}` stands for the ministry's `sys-ids` system of the sender's
    own organisation, `{any}` for one of whatever organisation; a full url stands for itself."""
    systems = [_pattern(system) for system in rule.args["systems"]]
    good: dict[str, str | None] = {}
    """System → the organisation it is right for, None: any."""

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Identifier")
            return
        system = value.get("system")
        match = next((m for m in (p.fullmatch(str(system)) for p in systems) if m), None)
        if match is None:
            listed = ", ".join(_listed(rule.args["systems"], judgement.org))
            judgement.report(rule, "identifier-system", (place, "system", -1), system, systems=listed)
        else:
            org = match.groupdict().get("org")
            mine = judgement.org = judgement.org or org
            if org is not None and mine is not None and org != mine:
                judgement.report(rule, "identifier-org", (place, "system", -1), system, org=mine)
            else:
                if len(good) < MANY:
                    good[str(system)] = org
        if not value.get("value"):
            judgement.report(rule, "identifier-value", (place, "value", -1), value.get("value"))

    return Check(report, "{0}({v}, {1}, j.org)", (_owned, good))


def _owned(value: Any, good: dict[str, str | None], org: str | None) -> bool:
    try:
        return good[value["system"]] in (None, org) and bool(value["value"])
    except (TypeError, KeyError):
        return False


def _listed(systems: list[str], org: str | None) -> Iterator[str]:
    for system in systems:
        full = system if "://" in system else f"http://sys-ids.kemkes.go.id/{system}"
        yield full.replace("{org}", org or "<organization_id>").replace("{any}", "<organization_id>")


def _pattern(system: str) -> re.Pattern[str]:
    if "://" in system:
        return re.compile(re.escape(system))
    parts = (_ORGANISATIONS.get(part, re.escape(part)) for part in re.split(r"(\{org\}|\{any\})", system))
    return re.compile(r"https?://sys-ids\.kemkes\.go\.id/" + "".join(parts))
