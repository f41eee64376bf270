"""Patient/id/$purge: a patient's record removed for good, every version of it, where the privacy law demands it.

What is removed: the Patient, everything in the patient's compartment, Bundles and attached Binaries, deleted resources
included, with versions, search index, validation results, crosswalk and the payloads of deliveries. What stays: the
AuditEvents, which name resources and hold none; the deliveries' states and times; what is another patient's record,
too, which the answer lists. Deliveries still waiting are cancelled. Files of bulk exports go when they expire. One
transaction does it all and records who did it.
Source: UU 27/2022 (PDP) article 8 and 44; the operation's name is HAPI's `$expunge`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.errors import FhirError
from gateway.fhir.call import Answer, Call
from gateway.fhir.operations.operation import OURS, Asked, Operation
from gateway.security import audit
from gateway.store import Change, Transaction, new_id
from gateway.store.rows import INDEXES
from profiles.definitions import compartment
from profiles.fhirjson import Resource

LOCK = "select key, type, id from resource where key = any($1::bigint[]) order by key for update"

OWN = r"""
with place as (select id from facility where slug = $1), member as (
    select unnest($3::text[]) as type, unnest($4::text[]) as code
), own as (
    select r.key from place, resource r where r.facility = place.id and r.type = 'Patient' and r.id = $2
    union
    select coalesce(c.container, i.resource) from place, reference_index i
    left join contained c on c.key = i.resource
    join search_parameter p on p.id = i.parameter
    join member m on m.type = p.type and m.code = p.code
    where i.facility = place.id and i.target_type = 'Patient' and i.target_id = $2
      and m.type not in ('AuditEvent', 'Patient')
), unindexed as (
    select r.key, bool_or(
        replace(text, '"reference":"Patient/' || $2 || '"', '') like '%"reference":"Patient/%'
    ) as shared
    from place, resource r join resource_version v on v.resource = r.key,
    lateral (select convert_from(v.content, 'UTF8') as text) as written
    where r.facility = place.id and (r.type = 'Bundle' or r.deleted and r.type in (select type from member))
      and r.type not in ('AuditEvent', 'Patient') and position('Patient/' || $2 || '"' in text) > 0
    group by r.key
), found as (
    select key, exists (
        select from reference_index o
        join search_parameter p on p.id = o.parameter
        join member m on m.type = p.type and m.code = p.code
        where o.resource = own.key and m.type <> 'Patient' and o.target_type = 'Patient' and o.target_id <> $2
    ) as shared from own
    union
    select key, shared from unindexed
), attached as (
    select b.key, false as shared
    from place, found f join resource_version v on v.resource = f.key and not f.shared,
    lateral convert_from(v.content, 'UTF8') as text,
    lateral regexp_matches(text, '"url":"(?:[^"]*/)?Binary/([A-Za-z0-9.-]{1,64})', 'g') as url
    join resource b on b.type = 'Binary' and b.id = url[1]
    where b.facility = place.id
)
select key, bool_or(shared) from (select * from found union all select * from attached) as whole group by key"""
"""Keys of what speaks of the patient, and whether it speaks of another patient, too. Deleted resources and Bundles are
in no index: they are read."""

INSIDE = "delete from contained where container = any($1::bigint[]) returning key"
BY_KEY = ("validation", "resource_version", *INDEXES)
ATTEMPTS = """
update outbox_attempt a set request = null, reply = null, url = substring(a.url from '^https?://[^/]+') from outbox o
where o.id = a.outbox and o.facility = $1 and (o.source = any($2::text[]) or o.visit = any($2::text[]))"""
UNDER_WAY = """
select exists (select from outbox
    where facility = $1 and (source = any($2::text[]) or visit = any($2::text[])) and state = 'leased')"""
CANCELLED = """
update outbox set result = null, reason = $3::jsonb, watches = '{}', finished = coalesce(finished, now()),
    state = case state when 'done' then 'done' else 'cancelled' end
where facility = $1 and (source = any($2::text[]) or visit = any($2::text[]))"""
WISHES = "delete from outbox_wish where facility = $1 and (source = any($2::text[]) or visit = any($2::text[]))"
CROSSWALK = """
delete from crosswalk where facility = (select id from facility where slug = $1) and local = any($2::text[])"""
SENT = "delete from outbox_sent where facility = $1 and local = any($2::text[])"
TOLD = "update subscription_event set reason = null where facility = $1 and focus = any($2::text[])"

REASON = """
{"code": "purged", "en": "The patient's record was removed for good", "id": "Rekam medis pasien dihapus permanen"}"""
TEXTS = {
    "removed": {"en": "Removed for good", "id": "Dihapus permanen"},
    "kept": {
        "en": "Kept, because it is another patient's record, too; mend it by hand",
        "id": "Tidak dihapus, karena juga rekam pasien lain; perbaiki secara manual",
    },
}
ERASURE = ("15", "Permanent erasure / Physical destruction")


async def purge(call: Call, asked: Asked) -> Answer:
    """POST Patient/id/$purge"""
    members = [(kind, code) for kind, codes in compartment("Patient").items() for code in codes]
    columns = [kind for kind, _ in members], [code for _, code in members]
    async with call.services.store.transaction(call.facility.slug) as transaction:
        connection = transaction.connection
        found = await connection.fetch(OWN, call.facility.slug, call.id, *columns)
        shared = {row[0] for row in found if row[1]}
        everything = await connection.fetch(LOCK, [row[0] for row in found])
        kept = [f"{row['type']}/{row['id']}" for row in everything if row["key"] in shared]
        rows = [row for row in everything if row["key"] not in shared]
        names = [f"{row['type']}/{row['id']}" for row in rows]
        if call.reference not in names:
            raise FhirError("GF-201", reference=call.reference, type=call.type)
        await _erase(transaction, call.facility.slug, [row["key"] for row in rows], names)
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["type"]] = counts.get(row["type"], 0) + 1
        await transaction.write([Change.create(_event(call, counts), new_id())])
    return Answer(200, resource=_outcome(call, counts, kept))


async def _erase(transaction: Transaction, facility: str, keys: list[int], names: list[str]) -> None:
    connection = transaction.connection
    if await connection.fetchval(UNDER_WAY, facility, names):
        raise FhirError("GF-707", headers=((b"retry-after", b"5"),))
    keys = [*keys, *(row[0] for row in await connection.fetch(INSIDE, keys))]
    for table in BY_KEY:
        await connection.execute(f"delete from {table} where resource = any($1::bigint[])", keys)
    await connection.execute("delete from resource where key = any($1::bigint[])", keys)
    for statement in (ATTEMPTS, WISHES, CROSSWALK, SENT, TOLD):
        await connection.execute(statement, facility, names)
    await connection.execute(CANCELLED, facility, names, REASON)


def _event(call: Call, counts: dict[str, int]) -> Resource:
    """The AuditEvent: who removed whose record, and how much of each type."""
    code, display = ERASURE
    entity: dict[str, Any] = {
        **audit.patient(call.reference),
        "lifecycle": {"system": f"{audit.TERMINOLOGY}dicom-audit-lifecycle", "code": code, "display": display},
        "detail": [{"type": kind, "valueString": str(number)} for kind, number in sorted(counts.items())],
    }
    event = audit.event(call.visitor, "operation", datetime.now(UTC), [entity])
    return {**event, "action": "D", "outcomeDesc": "$purge"}


def _outcome(call: Call, counts: dict[str, int], kept: Sequence[str]) -> Resource:
    listed = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items()))
    rows = [("information", "informational", "removed", listed)]
    if kept:
        rows.append(("warning", "business-rule", "kept", ", ".join(kept)))
    issues = [
        {"severity": severity, "code": code, "details": {"text": f"{TEXTS[what][call.lang]}: {names}."}}
        for severity, code, what, names in rows
    ]
    return {"resourceType": "OperationOutcome", "issue": issues}


OPERATIONS = (
    Operation("$purge", f"{OURS}Patient-purge", ("Type/id",), purge, "p", {}, frozenset({"Patient"}), changes=True),
)
