"""`gapura db`: migrate, back up or restore the database."""

import argparse
import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """migrate, backup, restore."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("migrate", help="bring the database to this version's schema (serve does it too)")
    backup = actions.add_parser("backup", help="write everything to one file; the gateway may run on")
    backup.add_argument("file", nargs="?", type=Path, help="default: backups/<date and time>.dump in GAPURA_HOME")
    restore = actions.add_parser("restore", help="put back what a backup holds; the gateway must be stopped")
    restore.add_argument("file", type=Path)
    restore.add_argument("--replace", action="store_true", help="what the database holds now is lost")


def run(args: argparse.Namespace) -> int:
    """Do one action; 2 where it could not run."""
    from gateway.settings import load
    from gateway.store import StoreError

    try:
        print(asyncio.run(ACTIONS[args.action](args, load())))
    except (StoreError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _migrate(args: argparse.Namespace, settings: "Settings") -> str:
    from gateway.store.database import Database
    from gateway.store.migrate import migrate
    from gateway.store.pool import connect, translated

    async with Database.opened(settings) as database:
        with translated():
            connection = await connect(database.url)
            try:
                before, after = await migrate(connection)
            finally:
                await connection.close()
    return f"at revision {after}" if before == after else f"migrated from {before or 'nothing'} to revision {after}"


async def _backup(args: argparse.Namespace, settings: "Settings") -> str:
    from gateway.store.backup import backup
    from gateway.store.database import Database

    file = args.file
    if file is None:
        folder = settings.home / "backups"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{datetime.now().astimezone():%Y%m%dT%H%M%S}.dump"
    async with Database.opened(settings) as database:
        size = await asyncio.to_thread(backup, database, file)
    return f"{file}: {size} bytes"


async def _restore(args: argparse.Namespace, settings: "Settings") -> str:
    from gateway.store.backup import restore
    from gateway.store.database import Database

    if not args.file.is_file():
        raise FileNotFoundError(f"there is no file {args.file}")
    async with Database.opened(settings) as database:
        before, after = await restore(database, args.file, replace=args.replace)
    return f"restored from {args.file} (revision {before}), now at revision {after}"


ACTIONS = {"migrate": _migrate, "backup": _backup, "restore": _restore}
