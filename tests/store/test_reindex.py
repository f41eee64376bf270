"""A site's own search parameters: usable once every resource has been read again, kept up by every write."""

import asyncio
from io import StringIO

import pytest
from alembic import command
from alembic.config import Config

from gateway.security.audit import Visitor, of_write
from gateway.settings import Settings
from gateway.store import BadParameter, Change, Store
from gateway.store.migrate import MIGRATIONS, head
from gateway.store.rows import INDEXES
from profiles import fhirjson
from profiles.fhirjson import Resource

HERE, THERE = "rs-melati", "rs-kenanga"
RELIGION = "https://fhir.kemkes.go.id/r4/StructureDefinition/religion"


def own(code: str, type: str, expression: str, **more: object) -> Resource:
    base = expression.split(".")[0]
    return {
        "resourceType": "SearchParameter",
        "url": f"urn:rs-melati:{code}",
        "name": code,
        "status": "active",
        "description": code,
        "code": code,
        "base": [base],
        "type": type,
        "expression": expression,
        **more,
    }


def patient(religion: str) -> Resource:
    return {"resourceType": "Patient", "extension": [{"url": RELIGION, "valueCode": religion}]}


async def found(store: Store, facility: str = HERE, **asked: str) -> list[str]:
    page = await store.search(facility, "Patient", list(asked.items()))
    return sorted(version.id for version in page.matches)


async def finished(store: Store) -> None:
    async with asyncio.timeout(60):
        while True:
            progress = await store.reindexing(HERE)
            if progress and progress.finished:
                break
            await asyncio.sleep(0.1)
    assert progress.done == progress.total
    assert progress.searched == progress.parameters


@pytest.fixture
async def religious(store: Store) -> Store:
    """Two hospitals with a patient each; the first has a parameter of its own, not yet in force."""
    await store.write(HERE, [Change.update(patient("islam"), "lama")])
    await store.write(THERE, [Change.update(patient("islam"), "lain")])
    parameter = own("religion", "token", f"Patient.extension('{RELIGION}').value")
    await store.write(HERE, [Change.update(parameter, "religion")])
    return store


async def test_a_parameter_is_usable_when_everything_has_been_read_again(religious: Store) -> None:
    with pytest.raises(BadParameter):
        await found(religious, religion="islam")
    assert await religious.reindexing(HERE) is None
    begun = await religious.reindex(HERE)
    assert (begun.parameters, begun.searched, begun.finished) == (("urn:rs-melati:religion",), (), None)
    await religious.write(HERE, [Change.update(patient("hindu"), "baru")])
    with pytest.raises(BadParameter):
        await found(religious, religion="islam")  # an answer now would not be whole
    await finished(religious)
    assert await found(religious, religion="islam") == ["lama"]
    assert await found(religious, religion="hindu") == ["baru"]
    assert await found(religious, **{"religion:not": "islam"}) == ["baru"]
    await religious.write(HERE, [Change.update(patient("buddha"), "lama")])
    assert await found(religious, religion="islam") == []
    assert await found(religious, religion="buddha", _sort="religion") == ["lama"]
    with pytest.raises(BadParameter):
        await found(religious, THERE, religion="islam")


async def test_another_process_learns_of_it_and_one_that_starts_goes_on(religious: Store, settings: Settings) -> None:
    await religious.reindex(HERE)
    await religious._site.close()  # as if the process had ended
    other = await Store.open(settings)
    try:
        await finished(other)
        assert await found(other, religion="islam") == ["lama"]
        async with asyncio.timeout(10):
            while not religious.parameters(HERE):
                await religious.search(HERE, "Patient", [])
                await asyncio.sleep(0.1)
        assert await found(religious, religion="islam") == ["lama"]
    finally:
        await other.close()


async def test_a_parameter_that_is_withdrawn_is_unknown_again(religious: Store) -> None:
    await religious.reindex(HERE)
    await finished(religious)
    await religious.write(HERE, [Change.delete("SearchParameter", "religion")])
    await religious.reindex(HERE)
    with pytest.raises(BadParameter):
        await found(religious, religion="islam")


@pytest.mark.parametrize(
    ("parameter", "problem"),
    [
        (own("name", "string", "Patient.name"), "already has a parameter 'name'"),
        (own("aneh", "token", "Patient.name.where("), "cannot be indexed"),
        (own("aneh", "special", "Patient.name"), "has no index"),
        (own("aneh", "token", "Pasien.nama"), "not a resource type"),
        ({**own("aneh", "token", "Patient.name"), "expression": None}, "has no expression"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_refused_by_name(
    store: Store, parameter: Resource, problem: str
) -> None:
    stored = {key: value for key, value in parameter.items() if value is not None}
    await store.write(HERE, [Change.update(stored, "aneh")])
    with pytest.raises(BadParameter, match=problem):
        await store.reindex(HERE)
    assert await store.reindexing(HERE) is None


async def test_reading_again_changes_nothing_for_the_other_parameters(store: Store) -> None:
    resource = {"resourceType": "Patient", "name": [{"text": "Budi"}], "gender": "male"}
    await store.write(HERE, [Change.update(resource, f"p{n}") for n in range(250)])
    before = await counted(store)
    await store.reindex(HERE)
    await finished(store)
    page = await store.search(HERE, "Patient", [("name", "budi"), ("gender", "male"), ("_total", "accurate")])
    assert page.total == 250
    assert await counted(store) == before


async def test_a_database_from_before_is_read_again_at_the_next_start(store: Store, settings: Settings) -> None:
    await store.write(HERE, [Change.update({"resourceType": "Patient", "name": [{"text": "Budi"}]}, "budi")])
    async with store.connection() as connection:
        await connection.execute("delete from text_index")
        await connection.execute(back_to("0006"))
    later = await Store.open(settings)
    try:
        await finished(later)
        assert await found(later, _content="budi") == ["budi"]
    finally:
        await later.close()


def back_to(revision: str) -> str:
    """The statements that undo every later migration."""
    script = StringIO()
    config = Config(attributes={"script": script})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.downgrade(config, f"{head()}:{revision}", sql=True)
    return script.getvalue()


async def counted(store: Store) -> dict[str, int]:
    """The rows of each index table."""
    async with store.connection() as connection:
        return {table: await connection.fetchval(f"select count(*) from {table}") for table in INDEXES}


async def test_a_parameter_of_audit_events_finds_those_of_single_writes(store: Store) -> None:
    parameter = own("what", "string", "AuditEvent.entity.what.reference")
    await store.write(HERE, [Change.update(parameter, "what")])
    await store.reindex(HERE)
    await finished(store)
    change = Change.create(patient("islam"), "ini")
    [version] = await store.write(
        HERE, [change], audits=lambda made: [of_write(Visitor(HERE, None, ""), "create", made, {})]
    )
    page = await store.search(HERE, "AuditEvent", [("what:exact", "Patient/ini/_history/1")])
    assert [fhirjson.decode(v.content)["entity"][0]["what"]["reference"] for v in page.matches] == [
        f"{version.reference}/_history/1"
    ]
