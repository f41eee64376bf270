"""$meta, $meta-add, $meta-delete: tags, security labels and profiles.

Adding and removing make a new version, so that the history says who changed a label and when.
Source: https://hl7.org/fhir/R4/resource-operation-meta.html, -meta-add.html, -meta-delete.html
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.conditional import exclusively, until_quiet
from gateway.fhir.operations.operation import HL7, Asked, Operation, Parameter, lacking, parameters
from gateway.fhir.patch import before
from gateway.fhir.reading import current
from gateway.fhir.writing import commit, expected, judge
from gateway.store import NEW, Change
from profiles import fhirjson

LISTS = ("profile", "security", "tag")
LABELLED = {"profile": "_profile", "security": "_security", "tag": "_tag"}
TABLES = {"profile": "uri_index", "security": "token_index", "tag": "token_index"}

USED = """
select distinct label from {table} i
join search_parameter p on p.id = i.parameter and p.code = $2 and (p.type = any($3::text[]))
join facility f on f.id = i.facility and f.slug = $1
join resource r on r.key = i.resource and not r.deleted
join resource_version v on v.resource = r.key and v.version = r.version,
lateral jsonb_array_elements(convert_from(v.content, 'UTF8')::jsonb #> array['meta', $4::text]) as label"""

Json = dict[str, Any]


async def meta(call: Call, asked: Asked) -> Answer:
    """The labels of one resource, or every label in use on a type or anywhere."""
    if call.id:
        version = await current(call)
        call.services.journal.note(call.visitor, "operation", version.reference)
        found = fhirjson.decode(version.content)["meta"]
    else:
        found = await _used(call)
        call.audited("operation", call.path)
    return Answer(200, resource=parameters(("return", "valueMeta", found or None)))


async def _used(call: Call) -> Json:
    from profiles.definitions import RESOURCE_TYPES

    role = call.who.role
    kinds = [kind for kind in ([call.type] if call.type else sorted(RESOURCE_TYPES)) if role.may("s", kind)]
    found: Json = {}
    async with call.services.store.connection() as connection:
        for name in LISTS:
            statement = USED.format(table=TABLES[name])
            rows = await connection.fetch(statement, call.facility.slug, LABELLED[name], kinds, name)
            if rows:
                found[name] = sorted((json.loads(row[0]) for row in rows), key=str)
    return found


async def add(call: Call, asked: Asked) -> Answer:
    """POST Type/id/$meta-add: labels that are there already stay as they are."""
    return await _relabel(call, asked, "$meta-add", _with)


async def remove(call: Call, asked: Asked) -> Answer:
    """POST Type/id/$meta-delete: labels that are not there are no error."""
    return await _relabel(call, asked, "$meta-delete", _without)


async def _relabel(
    call: Call, asked: Asked, name: str, change: Callable[[str, list[Any], list[Any]], list[Any]]
) -> Answer:
    from gateway.fhir.routes import IMMUTABLE

    given = asked.one("meta")
    if given is None:
        raise lacking(call, name, "meta")
    if call.type in IMMUTABLE:
        raise FhirError("GF-211", type=call.type)
    if others := sorted(given.keys() - {*LISTS}):
        raise FhirError("GF-108", name="meta", value=", ".join(others), wanted=" | ".join(LISTS))
    wanted = expected(call)

    async def act() -> Json:
        async with exclusively(call, ()) as (transaction, _, _):
            version = await before(call, transaction, call.id)
            if wanted not in (None, version.version):
                number = "GF-208" if wanted == NEW else "GF-204"
                raise FhirError(number, reference=version.reference, current=version.version, given=wanted)
            old = fhirjson.decode(version.content)
            labels = {key: change(key, old["meta"].get(key, []), given.get(key, [])) for key in LISTS}
            kept = {key: value for key, value in old["meta"].items() if key not in LISTS}
            new = {**old, "meta": {**kept, **{key: value for key, value in labels.items() if value}}}
            found: Json = old["meta"]
            if new["meta"] != old["meta"]:
                judgement, _issues = judge(call, new)
                changed = Change.update(new, call.id, expected=version.version, judgement=judgement)
                (written,) = await commit(call, "update", [changed], transaction)
                found = fhirjson.decode(written.content)["meta"]
            return found

    found = await until_quiet(act, sure=wanted is not None)
    return Answer(200, resource=parameters(("return", "valueMeta", found)))


def _with(kind: str, there: list[Any], given: Sequence[Any]) -> list[Any]:
    known = {_name(kind, label) for label in there}
    return [*there, *{_name(kind, label): label for label in given if _name(kind, label) not in known}.values()]


def _without(kind: str, there: list[Any], given: Sequence[Any]) -> list[Any]:
    gone = {_name(kind, label) for label in given}
    return [label for label in there if _name(kind, label) not in gone]


def _name(kind: str, label: Any) -> tuple[Any, ...]:
    """What makes two labels the same: a profile's url, a coding's system and code."""
    return (label,) if kind == "profile" else (label.get("system"), label.get("code"))


_GIVEN = {"meta": Parameter("Meta")}
OPERATIONS = (
    Operation("$meta", f"{HL7}Resource-meta", ("", "Type", "Type/id"), meta, "r"),
    Operation("$meta-add", f"{HL7}Resource-meta-add", ("Type/id",), add, "u", _GIVEN, changes=True),
    Operation("$meta-delete", f"{HL7}Resource-meta-delete", ("Type/id",), remove, "u", _GIVEN, changes=True),
)
