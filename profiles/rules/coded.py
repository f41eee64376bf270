"""The checks of coded elements: CodeableConcept and Coding, the unit of a Quantity, plain codes."""

import re
from collections.abc import Callable, Container
from typing import Any

from profiles import definitions
from profiles.rules.book import Rule, url
from profiles.rules.check import Check
from profiles.rules.codes import Allowed, Codes, Site
from profiles.rules.findings import Judgement, Place

VALUE_SETS = "http://hl7.org/fhir/ValueSet/"

MANY = 1024
"""Codes of one system that a rule remembers to be good."""

Good = dict[str, Container[str]]
"""System → codes that need no second look: most of what comes is like what came before."""


class _All:
    """The codes of a system that another rule judges."""

    def __contains__(self, code: object) -> bool:
        return True


def coding(rule: Rule, site: Site) -> Check:
    """A CodeableConcept or Coding. `systems`: those it may come from; `shapes`: a pattern for the codes of one of
    them in this place; `only`: the systems whose codes this rule judges, `but`: those it does not (they are another
    rule's); `codeless`: systems whose codings may lack a code."""
    allowed = Allowed(rule.args["systems"], site.codes)
    shapes = {url(name): re.compile(shape).fullmatch for name, shape in rule.args.get("shapes", {}).items()}
    only, but = (frozenset(map(url, rule.args.get(name, ()))) for name in ("only", "but"))
    codeless = frozenset(map(url, rule.args.get("codeless", ())))
    required = rule.args.get("required", False)
    good: Good = {}

    def one(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Coding")
            return
        system = str(value.get("system"))
        if (only and system not in only) or system in but:
            _leave(good, system)
            return
        if system in codeless and "code" not in value:
            return
        if not site.wire and allowed[system] is None:  # a record may hold the hospital's own codes beside
            return
        before = len(judgement.found)
        codes = _judge_system(rule, allowed, value, place, judgement)
        if codes is not None:
            _judge_code(rule, codes, shapes.get(codes.system), value["code"], (place, "code", -1), judgement)
            if len(judgement.found) == before:
                _remember(good, system, value["code"])

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        codings = value.get("coding") if isinstance(value, dict) else None
        if isinstance(codings, list):
            for index, item in enumerate(codings):
                one(item, (place, "coding", index), judgement)
        elif codings is not None or not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="CodeableConcept")
        elif "code" in value or "system" in value:
            one(value, place, judgement)
        elif required:
            judgement.report(rule, "coding-missing", place, None, systems=str(allowed))

    return Check(report, "{0}({v}, {1})", (_known, good))


def _known(value: Any, good: Good) -> bool:
    """Whether every coding of a CodeableConcept (or the Coding itself) is remembered."""
    try:
        codings = value.get("coding")
        if codings is None:
            return value["code"] in good[value["system"]]
        for each in codings:  # a loop costs half of `all(…)`
            if each["code"] not in good[each["system"]]:
                return False
    except (TypeError, KeyError, AttributeError):  # it lacks one, is new, or no Coding at all
        return False
    return True


def _remember(good: Good, system: str, code: str) -> None:
    codes = good.setdefault(system, set())
    if isinstance(codes, set) and len(codes) < MANY:
        codes.add(code)


def _leave(good: Good, system: str) -> None:
    if len(good) < MANY:
        good[system] = _All()


def unit(rule: Rule, site: Site) -> Check:
    """The unit of a Quantity, where it has a coded one. `systems` it may come from; `codes` narrows them further."""
    allowed = Allowed(rule.args["systems"], site.codes)
    wanted = frozenset(rule.args.get("codes", ()))
    good: Good = {}

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, dict):
            judgement.report(rule, "type", place, value, type="Quantity")
            return
        if "system" not in value and "code" not in value:
            return
        before = len(judgement.found)
        codes = _judge_system(rule, allowed, value, place, judgement)
        if codes is None:
            return
        code = value["code"]
        if wanted and code not in wanted:
            listed = ", ".join(sorted(wanted))
            judgement.report(rule, "choice", (place, "code", -1), code, system=codes.system, codes=listed)
        else:
            _judge_code(rule, codes, None, code, (place, "code", -1), judgement)
        if len(judgement.found) == before:
            _remember(good, value["system"], code)

    return Check(report, "{0}({v}, {1})", (_listed, good))


def _listed(value: Any, good: Good) -> bool:
    try:
        return value["code"] in good[value["system"]]
    except (TypeError, KeyError):
        return False


def _judge_system(
    rule: Rule, allowed: Allowed, value: dict[str, Any], place: Place, judgement: Judgement
) -> Codes | None:
    """The codes to look among, or None where system or code are missing or wrong (and reported)."""
    system = value.get("system")
    codes = allowed[system] if isinstance(system, str) else None
    if codes is None:
        problem = "system-absent" if system is None else "system"
        judgement.report(rule, problem, (place, "system", -1), system, systems=str(allowed))
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
    listed = ", ".join(sorted(known))

    def report(value: Any, place: Place, judgement: Judgement) -> None:
        if not isinstance(value, str) or value not in known:
            judgement.report(rule, "choice", place, value, system=VALUE_SETS + rule.args["values"], codes=listed)

    return Check(report, "{v}.__class__ is str and {v} in {0}", (known,))


def listed_codes(name: str) -> frozenset[str]:
    """The codes of one of FHIR's value sets by its name; ValueError where they cannot be listed."""
    found = definitions.value_set(VALUE_SETS + name)
    if found is None:
        raise ValueError(f"the codes of {VALUE_SETS + name} cannot be listed")
    return frozenset(code for _, code in found)
