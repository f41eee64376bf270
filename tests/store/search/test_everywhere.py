"""Parameters of every type: `_id`, `_lastUpdated`, labels."""

from datetime import timedelta

from gateway.store import Store
from tests.store.search.hospital import HERE, ids, wrong

FOUND = [
    ("Patient", "_id=budi,siti", "budi siti"),
    ("Patient", "_id:not=budi", "siti tanpa-nama"),
    ("Patient", "_tag=urn:tag|uji", "budi"),
    ("Patient", "_tag:not=uji", "siti tanpa-nama"),
    ("Patient", "_security=R", "budi"),
    ("Patient", "_source=urn:simrs:khanza", "budi"),
    ("Patient", "_profile=https://fhir.kemkes.go.id/r4/StructureDefinition/Patient", "budi"),
    ("Patient", "_lastUpdated=gt2000-01-01", "budi siti tanpa-nama"),
    ("Patient", "_lastUpdated=lt2000-01-01", ""),
    ("Patient", "_lastUpdated=ne2000-01-01&_id=budi", "budi"),
    ("Patient", "_lastUpdated=ap2000-01-01", ""),
    ("Patient", "_tag=urn:tag|UJI", "budi"),
    ("Patient", "name=&_id=budi", "budi"),  # a parameter without a value asks nothing
]


async def test_what_every_resource_is_searched_by(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []


async def test_a_resource_is_found_by_the_very_instant_of_its_writing(hospital: Store) -> None:
    at = (await hospital.read(HERE, "Patient", "budi")).last_updated
    before = (at - timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
    for prefix, moment, wanted in (
        ("", at, ["budi"]),
        ("gt", before, ["budi"]),
        ("sa", before, ["budi"]),
        ("ge", at, ["budi"]),
        ("le", at, ["budi"]),
        ("gt", at, []),
        ("lt", at, []),
    ):
        text = moment if isinstance(moment, str) else moment.isoformat(timespec="milliseconds")
        asked = f"_id=budi&_lastUpdated={prefix}{text.replace('+', '%2B')}"
        assert await ids(hospital, "Patient", asked) == wanted, asked
