"""`gapura demo`: the main job, end to end, on embedded PostgreSQL and the sandbox."""

import argparse
import asyncio
import contextlib
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.demo.play import Outcome
    from gateway.demo.stage import Stage

NAMES = {
    "outpatient": "Rawat jalan / Outpatient",
    "emergency": "IGD → rawat inap / Emergency → inpatient",
    "mistakes": "Tiga kesalahan / Three mistakes",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where its data goes, and whether it stays up."""
    parser.add_argument(
        "--keep", action="store_true", help="leave the server running, until Ctrl-C, and print its URLs"
    )
    parser.add_argument("--home", type=Path, metavar="DIR", help="data folder (default: a temporary one, removed)")


def run(args: argparse.Namespace) -> int:
    """Play the three visits; 1 where something came out otherwise than it must."""
    from rich.console import Console

    from gateway.store import StoreError

    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    console = Console(highlight=False)
    try:
        with _home(args.home) as home:
            return asyncio.run(_demo(console, home, _report_file(args.home), keep=args.keep))
    except (StoreError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


@contextlib.contextmanager
def _home(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
        yield chosen.absolute()
        return
    home = Path(tempfile.mkdtemp(prefix="gapura-demo-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _report_file(home: Path | None) -> Path:
    folder = home.absolute() / "reports" if home else Path(tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"gapura-demo-{datetime.now():%Y%m%d-%H%M%S}.html"  # noqa: DTZ005 (a name on this machine)


async def _demo(console: "Console", home: Path, report: Path, *, keep: bool) -> int:
    from gateway.demo.play import outcome, play
    from gateway.demo.stage import staged
    from gateway.demo.visits import VISITS

    started = time.perf_counter()
    with console.status("PostgreSQL, sandbox, gateway …"):
        stack = contextlib.AsyncExitStack()
        stage = await stack.enter_async_context(staged(home))
    async with stack:
        console.print(
            f"PostgreSQL, sandbox, gateway [green]✓[/] {stage.url}/fhir ({time.perf_counter() - started:.1f} s)"
        )
        today = datetime.now(ZoneInfo(stage.settings.facilities[0].zone)).date()
        with console.status("Mengirim kunjungan / sending visits …"):
            async for sent in play(stage, today):
                mark = "[green]✓[/]" if sent.status == 200 else "[red]✗[/]"
                took = f"{sent.seconds * 1000:.0f} ms, delivered after {sent.delivered_s:.1f} s"
                console.print(f"{NAMES[sent.visit]} {mark} HTTP {sent.status}, {sent.entries} resources, {took}")
        outcomes = [await outcome(stage, visit) for visit in VISITS]
        await _write_report(stage, report)
        _show(console, outcomes)
        console.print(f"Laporan / Report: {report}", soft_wrap=True)
        if keep:
            await _stay(console, stage)
    wrong = [f"{found.encounter}: {difference}" for found in outcomes for difference in found.wrong]
    for line in wrong:
        console.print(f"[red]✗[/] {line}")
    return 1 if wrong else 0


def _show(console: "Console", outcomes: "list[Outcome]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for heading in ("Kunjungan / Visit", "SEP", "SATUSEHAT"):
        table.add_column(heading, overflow="fold")
    for found in outcomes:
        kept = found.remote.get(found.encounter, "–")
        others = f"\n+ {len(found.remote) - 1} resources" if len(found.remote) > 1 else ""
        table.add_row(f"{NAMES[found.visit]}\n{found.encounter}", "\n".join(found.sep) or "–", kept + others)
    console.print(table)
    waiting = Table(show_lines=True)
    for heading in ("Tertahan atau ditolak / Held or refused", "Alasan", "Reason"):
        waiting.add_column(heading, overflow="fold")
    for found in outcomes:
        for row in found.waiting:
            why = row["reason"].get("issues") or [row["reason"]]
            id_text, en_text = ("\n".join(f"• {one[lang]}" for one in why) for lang in ("id", "en"))
            waiting.add_row(f"{found.encounter}\n{row['operation']}\n{row['state']}", Text(id_text), Text(en_text))
        if found.findings:
            texts = [
                "\n".join(f"• {i['rule']}: {shorten(i[lang], 180)}" for i in found.findings) for lang in ("id", "en")
            ]
            waiting.add_row(f"{found.encounter}\naturan / rules\ndicatat / noted", *map(Text, texts))
    console.print(waiting)


async def _write_report(stage: "Stage", file: Path) -> None:
    from conformance import FORMATS, audit
    from gateway import collect

    facility = stage.settings.facilities[0]
    today = datetime.now(ZoneInfo(facility.zone)).date()
    visits = await collect.visits(stage.store, facility, today, today)
    content = FORMATS["html"](audit(collect.period(facility, today, today), visits))
    await asyncio.to_thread(file.write_bytes, content)


async def _stay(console: "Console", stage: "Stage") -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    console.print(
        f"FHIR     {stage.url}/fhir   (Authorization: Bearer {stage.key})\n"
        f"Sandbox  {stage.sandbox.url}   (state: /_sandbox/state, faults: POST /_sandbox/faults)\n"
        f"GAPURA_HOME={stage.settings.home} GAPURA_FACILITIES_FILE={stage.settings.facilities_file} "
        "gapura outbox list\n"
        "Ctrl-C: berhenti / stop",
        soft_wrap=True,
    )
    await told.wait()
