"""The embedded PostgreSQL: started, shared, recovered and stopped with the gateway."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gateway.settings import Settings
from gateway.store import Change, Store, StoreUnavailable, new_id
from gateway.store.embedded import EmbeddedServer

PATIENT = {"resourceType": "Patient", "name": [{"text": "Budi"}]}


def settings(home: Path) -> Settings:
    return Settings(home=home, _env_file=None)


def server_pid(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def patients(store: Store) -> int:
    return len((await store.history("default", "Patient", count=1000)).matches)


async def test_data_outlive_the_server_and_nothing_runs_after_close(home: Path) -> None:
    store = await Store.open(settings(home))
    pid = server_pid(home)
    [written] = await store.write("default", [Change.create(PATIENT, new_id())])
    await store.close()
    assert not alive(pid)
    again = await Store.open(settings(home))
    try:
        assert (await again.read("default", "Patient", written.id)).content == written.content
    finally:
        await again.close()


async def test_a_second_process_joins_and_the_last_one_out_stops_the_server(home: Path) -> None:
    first = await Store.open(settings(home))
    pid = server_pid(home)
    script = (
        "import asyncio, sys; from pathlib import Path; from gateway.settings import Settings; "
        "from gateway.store import Store\n"
        "async def main():\n"
        "    store = await Store.open(Settings(home=Path(sys.argv[1]), _env_file=None))\n"
        "    print('joined', flush=True); sys.stdin.readline(); await store.close()\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", script, str(home)]
    second = subprocess.Popen(  # noqa: ASYNC220 - it is waited for in threads
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert second.stdout
        assert await asyncio.to_thread(second.stdout.readline) == "joined\n"
        assert server_pid(home) == pid
        await first.close()
        assert alive(pid)
        await asyncio.to_thread(second.communicate, "\n")
        assert second.returncode == 0
        assert not alive(pid)
    finally:
        second.kill()


async def test_two_homes_have_two_servers(home: Path) -> None:
    for name in ("a", "b"):
        (home / name).mkdir()
    one, two = await Store.open(settings(home / "a")), await Store.open(settings(home / "b"))
    try:
        await one.write("default", [Change.create(PATIENT, new_id())])
        assert (await patients(one), await patients(two)) == (1, 0)
    finally:
        await one.close()
        await two.close()


async def test_a_crashed_server_is_recovered_with_all_that_was_committed(home: Path) -> None:
    store = await Store.open(settings(home))
    await store.write("default", [Change.create(PATIENT, new_id()) for _ in range(5)])
    pid = server_pid(home)
    os.kill(pid, signal.SIGKILL)
    while alive(pid):
        time.sleep(0.01)  # noqa: ASYNC251 - nothing else is to run
    with pytest.raises(StoreUnavailable):
        await store.write("default", [Change.create(PATIENT, new_id())])
    await store.close()
    assert (home / "postgres" / "postmaster.pid").exists()
    again = await Store.open(settings(home))
    try:
        assert await patients(again) == 5
    finally:
        await again.close()


async def test_a_left_over_lock_that_names_a_strangers_process_is_no_obstacle(home: Path) -> None:
    server = EmbeddedServer(home)
    server.start()
    left_over = (home / "postgres" / "postmaster.pid").read_text()
    server.stop()
    lines = left_over.splitlines()
    lines[0] = str(os.getpid())  # alive, and not PostgreSQL
    (home / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    again = EmbeddedServer(home)
    again.start()
    assert server_pid(home) != os.getpid()
    again.stop()


async def test_a_server_left_running_by_a_killed_gateway_is_adopted(home: Path) -> None:
    script = (
        "import sys, os; from pathlib import Path; from gateway.store.embedded import EmbeddedServer; "
        "EmbeddedServer(Path(sys.argv[1])).start(); os.kill(os.getpid(), 9)"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, str(home)], check=False)
    pid = server_pid(home)
    assert alive(pid)
    server = EmbeddedServer(home)
    server.start()
    assert server_pid(home) == pid
    server.stop()
    assert not alive(pid)


async def test_a_program_that_ends_with_an_exception_leaves_no_server_behind(home: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from gateway.store.embedded import EmbeddedServer; "
        "home = Path(sys.argv[1]); EmbeddedServer(home).start(); "
        "print((home / 'postgres' / 'postmaster.pid').read_text()); 1 / 0"
    )
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, str(home)], capture_output=True)
    assert b"ZeroDivisionError" in ended.stderr
    assert not alive(int(ended.stdout.split()[0]))


async def test_an_initialisation_cut_short_is_begun_anew(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "half").write_text("")
    store = await Store.open(settings(home))
    assert await patients(store) == 0
    await store.close()


async def test_a_home_with_a_long_path_works(home: Path) -> None:
    deep = home / ("folder-with-a-long-name-" * 5)
    deep.mkdir()
    store = await Store.open(settings(deep))
    assert await patients(store) == 0
    await store.close()


async def test_only_its_owner_may_reach_the_server(home: Path) -> None:
    server = EmbeddedServer(home)
    server.start()
    try:
        assert (home / "postgres").stat().st_mode & 0o077 == 0
        addresses = [c for c in psutil.Process(server_pid(home)).net_connections("inet") if c.status == "LISTEN"]
        assert addresses == []
    finally:
        server.stop()


async def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    server = EmbeddedServer(home)
    server.start()
    server.stop()
    (home / "postgres" / "postgresql.conf").write_text("shared_buffers = 'banyak'\n")
    with pytest.raises(StoreUnavailable, match="banyak"):
        EmbeddedServer(home).start()
