"""Several types, facilities, order, pages, totals, compartments, and what a transaction sees."""

from urllib.parse import parse_qsl

import pytest

from gateway.store import BadParameter, Change, Store
from gateway.store.search import statement
from profiles import fhirjson
from tests.store.search.hospital import HERE, NIK, THERE, ids, reference


async def test_a_search_of_several_types(hospital: Store) -> None:
    async def found(query: str) -> list[str]:
        page = await hospital.search(HERE, "", parse_qsl(query, keep_blank_values=True))
        return [v.reference for v in page.matches]

    assert await found("_type=Patient,Practitioner&_id=budi,dokter") == ["Practitioner/dokter", "Patient/budi"]
    assert await found("_type=Patient,Practitioner&name=budi") == ["Patient/budi"]
    assert sorted(await found("_id=icu,rajal")) == ["Basic/icu", "Encounter/rajal"]
    assert sorted(await found("_list=pantau")) == ["Encounter/ranap", "Patient/siti"]
    assert await found("_type=Encounter,Observation&_sort=-date&_count=1") == ["Encounter/ranap"]
    page = await hospital.search(HERE, "", [("_type", "Patient,Encounter"), ("_total", "accurate"), ("_count", "2")])
    assert page.total == 5
    assert page.next is not None
    seen = [v.reference for v in page.matches]
    while page.next:
        page = await hospital.search(
            HERE, "", [("_type", "Patient,Encounter"), ("_count", "2"), ("_cursor", page.next)]
        )
        seen += [v.reference for v in page.matches]
    assert seen == ["Encounter/ranap", "Encounter/rajal", "Patient/tanpa-nama", "Patient/siti", "Patient/budi"]
    assert (await hospital.search(THERE, "", [("_id", "siti")])).matches == []


async def test_no_search_crosses_facilities(hospital: Store) -> None:
    assert await ids(hospital, "Patient", "name=budi", THERE) == ["budi-lain"]
    assert await ids(hospital, "Observation", "subject:Patient.name=budi", THERE) == []
    assert await ids(hospital, "Patient", "_has:Observation:patient:code=8480-6", THERE) == []


async def test_a_search_answers_the_bytes_that_were_stored(hospital: Store) -> None:
    page = await hospital.search(HERE, "Patient", [("_id", "budi")])
    assert page.matches[0].content == (await hospital.read(HERE, "Patient", "budi")).content


async def test_the_index_follows_updates_and_deletions(hospital: Store) -> None:
    await hospital.write(HERE, [Change.update({"resourceType": "Patient", "name": [{"text": "Joko"}]}, "budi")])
    assert await ids(hospital, "Patient", "name=budi") == []
    assert await ids(hospital, "Patient", "name=joko") == ["budi"]
    await hospital.write(HERE, [Change.delete("Patient", "budi")])
    assert await ids(hospital, "Patient", "name=joko") == []
    assert await ids(hospital, "Patient", "") == ["tanpa-nama", "siti"]
    assert await ids(hospital, "Observation", "subject:Patient.name=joko") == []


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("birthdate", "budi siti tanpa-nama"),
        ("-birthdate", "siti budi tanpa-nama"),
        ("name", "budi siti tanpa-nama"),
        ("-gender", "tanpa-nama budi siti"),
        ("_id", "budi siti tanpa-nama"),
        ("-_lastUpdated,_id", "budi siti tanpa-nama"),
        ("organization,-_id", "siti budi tanpa-nama"),
    ],
)
async def test_order_and_pages_by_any_parameters(hospital: Store, sort: str, expected: str) -> None:
    assert await ids(hospital, "Patient", f"_sort={sort}") == expected.split()
    seen, cursor = [], ""
    while True:
        page = await hospital.search(
            HERE, "Patient", [("_sort", sort), ("_count", "1"), *[("_cursor", cursor)] * bool(cursor)]
        )
        seen += [v.id for v in page.matches]
        if page.next is None:
            break
        cursor = page.next
    assert seen == expected.split()


async def pages(store: Store, query: str) -> list[list[str]]:
    """Every page from the first on, and then every page on the way back."""
    seen, cursor, back = [], "", False
    while cursor is not None:
        asked = [*parse_qsl(query, keep_blank_values=True), *[("_cursor", cursor)] * bool(cursor)]
        page = await store.search(HERE, "Patient", asked)
        seen.append([v.id for v in page.matches])
        back = back or page.next is None
        cursor = page.previous if back else page.next
    return seen


@pytest.mark.parametrize(
    "query",
    [
        *("", "gender=female", "gender=female,male", "name=p", "gender:not=male", "birthdate=ge1980", "_sort=-name"),
        *("_sort=birthdate", "_sort=-birthdate,name", "_sort=name", "_sort=_id", "_sort=birthdate,-_lastUpdated"),
        *("_contained=both", "_contained=both&_sort=birthdate", "birthdate:missing=false", "_lastUpdated=ge2020"),
    ],
)
@pytest.mark.parametrize(("size", "few", "newest"), [(1, 2_000, 5_000), (2, 0, 1), (2, 1, 5_000), (3, 0, 3)])
async def test_pages_are_the_same_on_the_way_back(
    hospital: Store, query: str, size: int, few: int, newest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [
        ("pia", "female", "1990-01-01"),
        ("putra", "male", "1985-05-05"),
        ("pak", "male", ""),
        ("puan", "female", ""),
    ]
    for id, gender, born in more:
        patient = {"resourceType": "Patient", "name": [{"text": f"P {id}"}], "gender": gender}
        await hospital.write(HERE, [Change.update(patient | ({"birthDate": born} if born else {}), id)])
    whole = await ids(hospital, "Patient", query)
    monkeypatch.setattr(statement, "FEW", few)
    monkeypatch.setattr(statement, "NEWEST", newest)
    seen = await pages(hospital, f"{query}&_count={size}")
    there, back = seen[: (len(seen) + 1) // 2], seen[len(seen) // 2 :]
    assert [id for page in there for id in page] == whole
    assert back == there[::-1]


async def test_the_way_back_is_stable_while_others_write(hospital: Store) -> None:
    first = await hospital.search(HERE, "Patient", [("_count", "1")])
    second = await hospital.search(HERE, "Patient", [("_count", "1"), ("_cursor", str(first.next))])
    await hospital.write(HERE, [Change.update({"resourceType": "Patient"}, "baru")])
    back = await hospital.search(HERE, "Patient", [("_count", "1"), ("_cursor", str(second.previous))])
    assert [v.id for v in back.matches] == [v.id for v in first.matches]
    newest = await hospital.search(HERE, "Patient", [("_count", "1"), ("_cursor", str(back.previous))])
    assert [v.id for v in newest.matches] == ["baru"]
    assert (first.previous, newest.previous) == (None, None)


async def test_pages_show_each_resource_once_while_others_write(hospital: Store) -> None:
    first = await hospital.search(HERE, "Patient", [("_count", "2")])
    await hospital.write(HERE, [Change.update({"resourceType": "Patient"}, "baru"), Change.delete("Patient", "siti")])
    assert first.next
    second = await hospital.search(HERE, "Patient", [("_count", "2"), ("_cursor", first.next)])
    assert [v.id for v in first.matches] + [v.id for v in second.matches] == ["tanpa-nama", "siti", "budi"]


async def test_totals_are_given_when_asked_for(hospital: Store) -> None:
    async def total(value: str) -> int | None:
        return (await hospital.search(HERE, "Patient", [("_total", value), ("_count", "0")])).total

    assert await total("none") is None
    assert await total("accurate") == 3
    assert await total("estimate") is not None
    assert (await hospital.search(HERE, "Patient", [("_count", "0"), ("_total", "accurate")])).matches == []


async def test_a_compartment_restricts_a_search(hospital: Store) -> None:
    async def within(type: str, *of: str) -> list[str]:
        page = await hospital.search(HERE, type, [], compartment=(of[0], of[1]))
        return sorted(v.id for v in page.matches)

    assert await within("Observation", "Patient", "budi") == ["berat", "catatan", "sistolik"]
    assert await within("Observation", "Patient", "siti") == []
    assert await within("Condition", "Encounter", "rajal") == ["isk"]
    with pytest.raises(BadParameter):
        await within("ValueSet", "Patient", "budi")


async def test_values_longer_than_an_index_entry_are_found(store: Store) -> None:
    long = "Kata " * 3_000
    patient = {
        "resourceType": "Patient",
        "name": [{"text": long}],
        "identifier": [{"system": NIK, "value": "9" * 9_000}],
        "link": [{"other": reference("https://contoh.id/fhir/Patient/" + "x" * 5_000), "type": "seealso"}],
    }
    await store.write(HERE, [Change.update(patient, "panjang")])
    assert await ids(store, "Patient", f"identifier={'9' * 9_000}") == ["panjang"]
    assert await ids(store, "Patient", f"identifier={'9' * 8_999}") == []
    assert await ids(store, "Patient", "name=kata kata") == ["panjang"]
    assert await ids(store, "Patient", f"name={long.strip()}x") == []
    assert await ids(store, "Patient", f"name:exact={long}") == ["panjang"]


async def test_numbers_without_measure_are_stored_and_do_no_harm(store: Store) -> None:
    raw = b'{"resourceType":"RiskAssessment","prediction":[{"probabilityDecimal":1E+99999},{"probabilityDecimal":0.5}]}'
    await store.write(HERE, [Change.update(fhirjson.decode(raw), "besar")])
    assert await ids(store, "RiskAssessment", "probability=0.5") == ["besar"]


async def test_a_transaction_finds_what_it_wrote_itself_and_nobody_else_does(hospital: Store) -> None:
    async def undone() -> None:
        async with hospital.transaction(HERE) as transaction:
            await transaction.write([Change.update({"resourceType": "Patient", "name": [{"text": "Joko"}]}, "joko")])
            page = await transaction.search("Patient", [("name", "joko")])
            assert [v.id for v in page.matches] == ["joko"]
            assert await ids(hospital, "Patient", "name=joko") == []
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()
    assert await ids(hospital, "Patient", "name=joko") == []
