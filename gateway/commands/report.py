"""`gapura report`: the conformance report of a period."""

import argparse
import asyncio
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The period, whose, and in which form."""
    parser.add_argument("--from", dest="first", type=_day, required=True, metavar="DAY", help="yyyy-mm-dd, included")
    parser.add_argument("--to", dest="last", type=_day, required=True, metavar="DAY", help="yyyy-mm-dd, included")
    parser.add_argument("--facility", help="slug of the facility (default: the first)")
    parser.add_argument("--format", choices=("html", "pdf", "json", "csv"), required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Write the report and print its digest; 2 where it could not be made."""
    from gateway.settings import load
    from gateway.store import StoreError

    try:
        if args.last < args.first:
            raise ValueError(f"--to {args.last} lies before --from {args.first}")
        print(asyncio.run(_write(args, load())))
    except (StoreError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _write(args: argparse.Namespace, settings: "Settings") -> str:
    from conformance import FORMATS, audit, digest
    from gateway import collect
    from gateway.store import Store

    slugs = [facility.slug for facility in settings.facilities]
    if args.facility is not None and args.facility not in slugs:
        raise ValueError(f"there is no facility {args.facility!r}; there are {', '.join(slugs)}")
    facility = settings.facilities[slugs.index(args.facility or slugs[0])]
    store = await Store.open(settings)
    try:
        visits = await collect.visits(store, facility, args.first, args.last)
    finally:
        await store.close()
    content = FORMATS[args.format](audit(collect.period(facility, args.first, args.last), visits))
    await asyncio.to_thread(args.output.write_bytes, content)
    return f"{args.output}: {len(visits)} visits, SHA-256 {digest(content)}"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day written as yyyy-mm-dd") from None
