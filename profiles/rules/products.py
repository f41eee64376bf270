"""The check of KFA codes by use: a prescription may name a template (92…), what is handed out or given is a product
(93…). Source: the ministry's dictionary of pharmacy, whose first two digits tell the level.

The medication is looked for where it stands: in the element itself, contained, or in another entry of the Bundle.
"""

import re
from typing import Any

from profiles.rules.book import Rule, url
from profiles.rules.check import Check
from profiles.rules.codes import Site
from profiles.rules.findings import Judgement, Place, objects


def product(rule: Rule, site: Site) -> Check:
    """A CodeableConcept, or a Reference to a Medication, whose KFA codes are of the form `pattern` (`form` for people).
    What is coded otherwise or lies elsewhere is not judged."""
    kfa, match = url("KFA"), re.compile(rule.args["pattern"]).fullmatch

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        concept = value
        if isinstance(value, dict) and isinstance(value.get("reference"), str):
            place = (place, "reference", -1)
            concept = (judgement.resolve(value["reference"]) or {}).get("code")
        for coding in objects(concept.get("coding")) if isinstance(concept, dict) else ():
            if coding.get("system") == kfa and not match(str(coding.get("code"))):
                judgement.report(rule, "product", place, coding.get("code"), form=rule.args["form"])

    return Check(report)
