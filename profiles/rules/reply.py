"""What the ministry's server said of an earlier request, read from its OperationOutcome and put in terms of the rules.

Source: reference to the error envelope (the sentence and its "(RuleNumber: …)" stand in `issue.details.text`).
"""

import re
from functools import cache

from profiles.fhirjson import Resource
from profiles.rules.book import Rule, rules, table
from profiles.rules.findings import Judgement, Place, objects

_NUMBER = re.compile(r"Rule ?Number: ?(\d+)")


def read(outcome: Resource, judgement: Judgement) -> None:
    """Report each refusal of an OperationOutcome that came from SATUSEHAT, by the number of the rule it names."""
    for index, issue in enumerate(objects(outcome.get("issue"))):
        details = issue.get("details")
        text = str(details.get("text", "")) if isinstance(details, dict) else ""
        rule = _rule(_number(text))
        said = " ".join(part for part in (text, str(issue.get("diagnostics") or "")) if part)
        expression = issue.get("expression")
        place: Place = (None, "issue", index)
        if issue.get("severity") in ("information", "warning"):
            judgement.report(rule, "hidden", place, said, "warning")
        elif isinstance(expression, list) and expression:
            judgement.report(rule, "refused-element", place, said, about=str(expression[0]))
        else:
            judgement.report(rule, "refused", place, said)


def _number(text: str) -> str:
    found = _NUMBER.search(text)
    if found:
        return found[1]
    return next((str(key) for start, key in table("replies").items() if text.startswith(start)), "unnumbered-refusal")


@cache
def _by_number() -> dict[str, Rule]:
    return {rule.number: rule for rule in sorted(rules(), key=lambda rule: rule.kamus)}


def _rule(number: str) -> Rule:
    known = _by_number().get(number)
    return known if known is not None else Rule(number, "Platform", (), "server", kamus=False)
