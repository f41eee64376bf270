"""Beside the resources: the crosswalk, the validator's word, the index of every type, `gapura db`."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.settings import Settings
from gateway.store import Change, Judgement, Remote, Store, new_id
from gateway.store.extract import codes, plan
from profiles import definitions

HERE, THERE = "rs-melati", "rs-kenanga"
PATIENT = {"resourceType": "Patient", "name": [{"text": "Budi"}]}


async def test_the_crosswalk_leads_both_ways_within_its_facility_and_destination(store: Store) -> None:
    await store.record(HERE, "satusehat", [Remote("Patient/1", "Patient/P01"), Remote("Encounter/2", "Encounter/E01")])
    asked = ["Patient/1", "Patient/9"]
    assert await store.remote(HERE, "satusehat", asked) == {"Patient/1": "Patient/P01"}
    assert await store.local(HERE, "satusehat", ["Encounter/E01"]) == {"Encounter/E01": "Encounter/2"}
    assert await store.remote(THERE, "satusehat", asked) == {}
    assert await store.remote(HERE, "vclaim", asked) == {}
    await store.record(HERE, "satusehat", [Remote("Patient/1", "Patient/P02")])
    assert await store.remote(HERE, "satusehat", asked) == {"Patient/1": "Patient/P02"}


async def test_a_crosswalk_entry_of_an_undone_transaction_is_not_kept(store: Store) -> None:
    async def undone() -> None:
        async with store.transaction(HERE) as transaction:
            await transaction.record("satusehat", [Remote("Patient/1", "Patient/P01")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()
    assert await store.remote(HERE, "satusehat", ["Patient/1"]) == {}


async def test_the_validators_word_is_kept_with_each_version(store: Store) -> None:
    issue = {"severity": "error", "code": "value", "rule": "10443", "text": 'katanya "salah" \\ {koma,}'}
    bad = Judgement([issue], ["urn:profil, {satu}"], ["10443", "10444"], 57)
    [first] = await store.write(HERE, [Change.create(PATIENT, new_id(), judgement=bad)])
    [second] = await store.write(HERE, [Change.update(PATIENT, first.id, judgement=Judgement())])
    await store.write(HERE, [Change.create(PATIENT, new_id())])
    await store.write(THERE, [Change.create(PATIENT, new_id(), judgement=bad)])
    begin, end = first.last_updated, second.last_updated + timedelta(milliseconds=1)
    found = [judged async for judged in store.judged(HERE, begin, end)]
    assert [(j.reference, j.version, j.judgement.valid) for j in found] == [
        (first.reference, 1, False),
        (first.reference, 2, True),
    ]
    assert found[0].judgement == bad
    assert await store.judgements(HERE, [first.reference]) == found
    assert [j async for j in store.judged(HERE, end, end + timedelta(days=1))] == []


async def test_many_judgements_are_kept_too(store: Store) -> None:
    said = Judgement([], ["urn:p"], ["1"], 5)
    versions = await store.write(HERE, [Change.create(PATIENT, new_id(), judgement=said) for _ in range(300)])
    found = await store.judgements(HERE, [v.reference for v in versions])
    assert [j.judgement for j in found] == [said] * 300


def test_every_search_parameter_of_every_type_compiles() -> None:
    for type in definitions.RESOURCE_TYPES:
        numbers = {code: n for n, code in enumerate(codes(type), 1)}
        assert plan(type, numbers).steps, type


def gapura(monkeypatch: pytest.MonkeyPatch, home: Path, *arguments: str) -> int:
    monkeypatch.setenv("GAPURA_HOME", str(home))
    monkeypatch.chdir(home)
    return main(["db", *arguments])


async def _write(home: Path) -> str:
    store = await Store.open(Settings(home=home, _env_file=None))
    [version] = await store.write("default", [Change.create(PATIENT, new_id())])
    await store.close()
    return version.id


async def _found(home: Path) -> list[str]:
    store = await Store.open(Settings(home=home, _env_file=None))
    page = await store.search("default", "Patient", [("name", "budi")])
    await store.close()
    return [v.id for v in page.matches]


def test_a_backup_is_restored_whole_and_only_where_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, file = home / "a", home / "b", home / "cadangan.dump"
    first.mkdir()
    second.mkdir()
    id = asyncio.run(_write(first))
    assert gapura(monkeypatch, first, "backup", str(file)) == 0
    assert file.stat().st_mode & 0o077 == 0
    assert gapura(monkeypatch, first, "backup", str(file)) == 2
    assert "exists" in capsys.readouterr().err
    assert gapura(monkeypatch, second, "restore", str(file)) == 0
    assert asyncio.run(_found(second)) == [id]
    later = asyncio.run(_write(second))
    assert gapura(monkeypatch, second, "restore", str(file)) == 2
    assert "--replace" in capsys.readouterr().err
    assert set(asyncio.run(_found(second))) == {id, later}
    assert gapura(monkeypatch, second, "restore", "--replace", str(file)) == 0
    assert asyncio.run(_found(second)) == [id]


def test_a_file_that_is_no_backup_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    id = asyncio.run(_write(home))
    (home / "foto.jpg").write_bytes(b"\xff\xd8" * 1000)
    assert gapura(monkeypatch, home, "restore", "--replace", "foto.jpg") == 2
    assert gapura(monkeypatch, home, "restore", "--replace", "tidak-ada.dump") == 2
    assert asyncio.run(_found(home)) == [id]
    assert gapura(monkeypatch, home, "migrate") == 0
    assert "at revision" in capsys.readouterr().out
