"""The course of a visit: how Encounter.status may move, and what its history must say.

Source: the ministry's use cases (outpatient arrived → in-progress → finished, inpatient from in-progress or planned,
emergency by way of triaged), as the table `data/courses.json`: class → status → those that may follow it, the classes
of service and the units of length by class.
"""

from collections.abc import Callable, Iterable
from typing import Any

from profiles.fhirjson import Resource
from profiles.rules.book import Rule, table
from profiles.rules.findings import Judgement, Place, objects
from profiles.rules.moments import earlier, moment

Step = dict[str, Any]
Judge = Callable[[Resource, Judgement], None]
Aspect = Callable[[Rule, Resource, list[Step], Judgement], None]


def course(rules: Iterable[Rule], rest: Judge) -> Judge:
    """The judge of an Encounter: the `rest` of its rules, and the checks that `rules` name in their `aspect`. A regular
    course is known by one reading of its history."""
    always, unless_regular = (
        [(rule, aspects[rule.args["aspect"]]) for rule in rules if rule.args["aspect"] in aspects]
        for aspects in (ALWAYS, UNLESS_REGULAR)
    )

    def judge(resource: Resource, judgement: Judgement) -> None:
        rest(resource, judgement)
        history: list[Step] = []
        for rule, aspect in always:
            aspect(rule, resource, history, judgement)
        if not _regular(resource):
            history = objects(resource.get("statusHistory"))
            for rule, aspect in unless_regular:
                aspect(rule, resource, history, judgement)

    return judge


def _regular(encounter: Resource) -> bool:
    """Whether nothing is wrong with the course, by a look that is quick and understands only usual ones: one class,
    times of one offset, each status begun when the one before it ended."""
    try:
        paths = table("courses")["paths"]
        code = encounter["class"]["code"]
        follows = paths.get(code) or paths["*"]
        period, before, end = encounter["period"], None, None
        start, left = period["start"], period.get("end")
        if left is not None and not _in_order(start, left):
            return False
        for past in encounter.get("classHistory", ()):
            if past["class"]["code"] != code:
                return False
        for step in encounter["statusHistory"]:
            status, period = step["status"], step["period"]
            start = period["start"]
            if before is not None and (start != end or (status != before and status not in follows[before])):
                return False
            before, end = status, period.get("end")
            if end is not None and start != end and not _in_order(start, end):
                return False
        if before != "finished":
            return bool(before == encounter["status"])
        return bool(encounter["status"] == "finished" and end is not None and left is not None)
    except (TypeError, KeyError, AttributeError):
        return False


def _in_order(start: str, end: str) -> bool:
    """Whether two instants of the same offset stand in this order; False where it is not that simple."""
    return len(start) == len(end) == 25 and start[19:] == end[19:] and start < end


def _period(step: Step) -> dict[str, Any]:
    period = step.get("period")
    return period if isinstance(period, dict) else {}


def _class(encounter: Resource) -> str:
    kind = encounter.get("class")
    return str(kind.get("code")) if isinstance(kind, dict) else ""


def _path(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """Each status may follow the one before it in a visit of this class, or of one that it had before (an emergency
    that became a stay)."""
    paths = table("courses")["paths"]
    codes = {_class(encounter), *map(_class, objects(encounter.get("classHistory")))}
    allowed = [paths.get(code, paths["*"]) for code in codes]
    for index in range(1, len(history)):
        before, after = (str(step.get("status")) for step in history[index - 1 : index + 1])
        if after != before and not any(after in path.get(before, ()) for path in allowed):
            place = (None, "statusHistory", index)
            follow = ", ".join(sorted({status for path in allowed for status in path.get(before, ())})) or "-"
            judgement.report(rule, "status-path", (place, "status", -1), after, before=before, follow=follow)


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
        if not _period(history[index]).get("end"):
            place: Place = ((None, "statusHistory", index), "period", -1)
            judgement.report(rule, "status-open", (place, "end", -1))


def _closing(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """A finished visit has a start and an end, and its end comes after its start."""
    if encounter.get("status") == "finished":
        period, place = _period(encounter), (None, "period", -1)
        for key in ("start", "end"):
            if period and period.get(key) is None:
                judgement.report(rule, "missing", (place, key, -1))
        _follows(rule, period, place, judgement)


def _order(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """The end comes after the start in a visit that is not finished, too."""
    if encounter.get("status") != "finished":
        _follows(rule, _period(encounter), (None, "period", -1), judgement)


def _follows(rule: Rule, period: Step, place: Place, judgement: Judgement) -> None:
    start, end = moment(period.get("start")), moment(period.get("end"))
    if start is not None and end is not None and end <= start:
        judgement.report(rule, "period", (place, "end", -1), period["end"], start=str(period["start"]))


def _contiguous(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """Each status begins when the one before it ended, and none ends before it began."""
    end = None
    for index, step in enumerate(history):
        period = _period(step)
        start = period.get("start")
        place: Place = ((None, "statusHistory", index), "period", -1)
        if None not in (start, end) and start != end and moment(start) != moment(end):
            judgement.report(rule, "status-gap", (place, "start", -1), start, "warning", end=str(end))
        end = period.get("end")
        if earlier(end, start):
            judgement.report(rule, "period", (place, "end", -1), end, start=str(start))


def _service(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """Where it is now, a stay has an inpatient class of service and an outpatient visit an outpatient one."""
    wanted = table("courses")["service-class"].get(_class(encounter))
    locations = encounter.get("location")
    if wanted is None or locations.__class__ is not list or not locations:
        return
    place: Place = (None, "location", len(locations) - 1)
    for system in _service_classes(locations[-1]):
        if not system.endswith(wanted):
            judgement.report(rule, "service-class", (place, "extension", -1), system, "warning", wanted=wanted)


def _service_classes(location: Any) -> list[str]:
    """The code systems of a location's classes of service; none where something is not of R4's shape."""
    try:
        return [
            coding["system"]
            for extension in location.get("extension", ())
            if extension["url"].endswith("/ServiceClass")
            for part in extension["extension"]
            if part["url"] == "value"
            for coding in part["valueCodeableConcept"]["coding"]
        ]
    except (TypeError, KeyError, AttributeError):
        return []


def _length(rule: Rule, encounter: Resource, history: list[Step], judgement: Judgement) -> None:
    """A stay is measured in days, other visits in hours and minutes; the server does not insist."""
    length = encounter.get("length")
    units = table("courses")["length"].get(_class(encounter))
    code = length.get("code") if isinstance(length, dict) else None
    if units is not None and code is not None and code not in units:
        place: Place = ((None, "length", -1), "code", -1)
        judgement.report(rule, "length-unit", place, code, "warning", units=", ".join(units))


ALWAYS: dict[str, Aspect] = {"class": _service, "length": _length}
UNLESS_REGULAR: dict[str, Aspect] = {
    "path": _path,
    "present": _present,
    "ended": _ended,
    "closing": _closing,
    "order": _order,
    "contiguous": _contiguous,
}
