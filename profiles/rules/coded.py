"""The checks of coded elements: CodeableConcept and Coding, the unit of a Quantity, plain codes."""

import re
from collections.abc import Callable
from typing import Any

from profiles import definitions
from profiles.rules.book import Rule, url
from profiles.rules.codes import Allowed, Codes, Site
from profiles.rules.findings import Judgement, Place

VALUE_SETS = "http://hl7.org/fhir/ValueSet/"

MANY = 4096
"""Codings that a rule remembers to be good."""

Check = Callable[[Any, Place, Judgement], None]
"""Judges one value of a rule's element (lists one item at a time) and reports what is wrong with it."""


def coding(rule: Rule, site: Site) -> Check:
    """A CodeableConcept or Coding. `systems`: those it may come from; `shapes`: a pattern for the codes of one of
    them in this place; `only`: the systems whose codes this rule judges (the others are another rule's);
    `codeless`: systems whose codings may lack a code."""
    allowed = Allowed(rule.args["systems"], site.codes)
    shapes = {url(name): re.compile(shape).fullmatch for name, shape in rule.args.get("shapes", {}).items()}
    only = frozenset(map(url, rule.args.get("only", ())))
    codeless = frozenset(map(url, rule.args.get("codeless", ())))
    required = rule.args.get("required", False)
    good: set[tuple[str, str]] = set()  # most of what comes is like what came before

    def one(value: dict[str, Any], place: Place, judgement: Judgement) -> None:
        system = str(value.get("system"))
        if system in codeless and "code" not in value:
            return
        if not site.wire and allowed[system] is None:  # a record may hold the hospital's own codes beside
            return
        if not only or system in only:
            before = len(judgement.found)
            codes = _judge_system(rule, allowed, value, place, judgement)
            if codes is not None:
                _judge_code(rule, codes, shapes.get(codes.system), value["code"], (place, "code", -1), judgement)
            if codes is not None and len(judgement.found) == before and len(good) < MANY:
                good.add((system, value["code"]))

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        codings = value.get("coding") if value.__class__ is dict else None
        if codings.__class__ is list:
            for index, item in enumerate(codings):
                try:
                    if (item["system"], item["code"]) in good:
                        continue
                except (KeyError, TypeError):  # it lacks one, or is no Coding at all
                    pass
                if item.__class__ is dict:
                    one(item, (place, "coding", index), judgement)
                else:
                    judgement.report(rule, "type", (place, "coding", index), item, type="Coding")
        elif codings is not None or value.__class__ is not dict:
            judgement.report(rule, "type", place, value, type="CodeableConcept")
        elif "code" in value or "system" in value:
            one(value, place, judgement)
        elif required:
            judgement.report(rule, "coding-missing", place, None, systems=str(allowed))

    return check


def unit(rule: Rule, site: Site) -> Check:
    """The unit of a Quantity, where it has a coded one. `systems` it may come from; `codes` narrows them further."""
    allowed = Allowed(rule.args["systems"], site.codes)
    wanted = frozenset(rule.args.get("codes", ()))
    good: set[tuple[str, str]] = set()

    def one(value: dict[str, Any], place: Place, judgement: Judgement) -> None:
        before = len(judgement.found)
        codes = _judge_system(rule, allowed, value, place, judgement)
        if codes is None:
            return
        code = value["code"]
        if wanted and code not in wanted:
            listed = ", ".join(sorted(wanted))
            judgement.report(rule, "code", (place, "code", -1), code, system=f"{codes.system} ({listed})")
        else:
            _judge_code(rule, codes, None, code, (place, "code", -1), judgement)
        if len(judgement.found) == before and len(good) < MANY:
            good.add((value["system"], code))

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        try:
            if (value["system"], value["code"]) in good:
                return
        except (KeyError, TypeError):  # it lacks one, or is no Quantity at all
            pass
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Quantity")
        elif "system" in value or "code" in value:
            one(value, place, judgement)

    return check


def _judge_system(
    rule: Rule, allowed: Allowed, value: dict[str, Any], place: Place, judgement: Judgement
) -> Codes | None:
    """The codes to look among, or None where system or code are missing or wrong (and reported)."""
    system = value.get("system")
    codes = allowed[system] if isinstance(system, str) else None
    if codes is None:
        judgement.report(rule, "system", (place, "system", -1), system, systems=str(allowed))
    elif not isinstance(value.get("code"), str) or not value["code"].strip():
        judgement.report(rule, "code-missing", (place, "code", -1), value.get("code"), system=codes.system)
    else:
        if codes.misspelt:
            judgement.report(rule, "system-misspelt", (place, "system", -1), system, "warning", right=codes.system)
        return codes
    return None


def _judge_code(
    rule: Rule, codes: Codes, shape: Callable[[str], object] | None, code: str, place: Place, judgement: Judgement
) -> None:
    if shape is not None and not shape(code):
        judgement.report(rule, "code-here", place, code, system=codes.system)
    elif code in codes.known:
        return
    elif codes.complete or (codes.shape is not None and not codes.shape(code)):
        judgement.report(rule, "code", place, code, system=codes.system)
    elif codes.known:
        judgement.report(rule, "code-unknown", place, code, "warning", system=codes.system)


def code(rule: Rule, site: Site) -> Check:
    """A plain code. `values`: the name of the FHIR value set that lists them."""
    known = listed_codes(rule.args["values"])

    def check(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, str) or value not in known:
            judgement.report(rule, "code", place, value, system=VALUE_SETS + rule.args["values"])

    return check


def listed_codes(name: str) -> frozenset[str]:
    """The codes of one of FHIR's value sets by its name; ValueError where they cannot be listed."""
    found = definitions.value_set(VALUE_SETS + name)
    if found is None:
        raise ValueError(f"the codes of {VALUE_SETS + name} cannot be listed")
    return frozenset(code for _, code in found)
