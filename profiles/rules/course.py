"""The course of a visit: how Encounter.status may move, and what its history must say.

Source: the ministry's use cases (outpatient arrived → in-progress → finished, inpatient from in-progress or planned,
emergency by way of triaged), as the table `data/courses.json`: class → status → those that may follow it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from profiles.fhirjson import Resource
from profiles.rules.book import Rule, table
from profiles.rules.findings import Judgement, Place, objects

Step = dict[str, Any]


def course(rules: Iterable[Rule]) -> Callable[[Resource, Judgement], None]:
    """The checks that the rules' `aspect`s name, over the status history of an Encounter."""
    judges = [(rule, ASPECTS[rule.args["aspect"]]) for rule in rules]

    def whole(resource: Resource, judgement: Judgement) -> None:
        history = objects(resource.get("statusHistory"))
        for rule, judge in judges:
            judge(rule, resource, history, judgement)

    return whole


def _period(step: Step) -> dict[str, Any]:
    period = step.get("period")
    return period if isinstance(period, dict) else {}


def _path(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """Each status may follow the one before it in a visit of this class, or of one that it had before (an emergency
    that became a stay); the last one is the status now."""
    courses = table("courses")
    kinds = [encounter.get("class"), *(past.get("class") for past in objects(encounter.get("classHistory")))]
    codes = {str(kind.get("code")) for kind in kinds if isinstance(kind, dict)} or {"*"}
    allowed = [courses.get(code, courses["*"]) for code in codes]
    for index in range(1, len(history)):
        before, after = (str(step.get("status")) for step in history[index - 1 : index + 1])
        if after != before and not any(after in course.get(before, ()) for course in allowed):
            place = (None, "statusHistory", index)
            judgement.report(rule, "status-path", (place, "status", -1), after, before=before)


def _present(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """The status now is the last of the history; the server accepts otherwise."""
    if history and history[-1].get("status") != encounter.get("status"):
        place = (None, "statusHistory", len(history) - 1)
        now, last = str(encounter.get("status")), history[-1].get("status")
        judgement.report(rule, "status-now", (place, "status", -1), last, "warning", status=now)


def _ended(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """A status that another has followed has ended, and in a finished visit all have."""
    closed = len(history) if encounter.get("status") == "finished" else len(history) - 1
    for index in range(closed):
        period = _period(history[index])
        if not period.get("end"):
            place: Place = ((None, "statusHistory", index), "period", -1)
            judgement.report(rule, "status-open", (place, "end", -1))


def _closing(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """A finished visit has a start and an end, and does not end before it began."""
    period = encounter.get("period")
    if encounter.get("status") != "finished" or not isinstance(period, dict):
        return
    place: Place = (None, "period", -1)
    start, end = period.get("start"), period.get("end")
    if start is None or end is None:
        judgement.report(rule, "missing", (place, "end" if end is None else "start", -1))
    elif str(end) < str(start):
        judgement.report(rule, "period", (place, "end", -1), end)


def _contiguous(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """Each status begins when the one before it ended, and none ends before it began."""
    end = None
    for index, step in enumerate(history):
        period = _period(step)
        start = period.get("start")
        place: Place = ((None, "statusHistory", index), "period", -1)
        if end is not None and start is not None and start != end:
            judgement.report(rule, "status-gap", (place, "start", -1), start, "warning", end=end)
        end = period.get("end")
        if start is not None and end is not None and str(end) < str(start):
            judgement.report(rule, "period", (place, "end", -1), end)


def _class(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """Where it is now, a stay has an inpatient class of service and an outpatient visit an outpatient one."""
    kind = encounter.get("class")
    wanted = table("courses")["service-class"].get(str(kind.get("code")) if isinstance(kind, dict) else "")
    locations = objects(encounter.get("location"))
    if wanted is None or not locations:
        return
    place: Place = (None, "location", len(locations) - 1)
    for system in _service_classes(locations[-1]):
        if not system.endswith(wanted):
            judgement.report(rule, "service-class", (place, "extension", -1), system, "warning", wanted=wanted)


def _service_classes(location: Step) -> Iterator[str]:
    """The code systems of a location's classes of service."""
    for extension in objects(location.get("extension")):
        if str(extension.get("url")).endswith("/ServiceClass"):
            for part in objects(extension.get("extension")):
                concept = part.get("valueCodeableConcept")
                if part.get("url") == "value" and isinstance(concept, dict):
                    yield from (str(coding.get("system")) for coding in objects(concept.get("coding")))


ASPECTS = {
    "class": _class,
    "path": _path,
    "present": _present,
    "ended": _ended,
    "closing": _closing,
    "contiguous": _contiguous,
}
