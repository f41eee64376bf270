"""`gapura outbox`: list, show, retry, park or replay deliveries."""

import argparse
import asyncio
import json
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from gateway.outbox.admin import Filter
    from gateway.settings import Settings
    from gateway.store import Store

STATES = ("due", "leased", "held", "parked", "done", "cancelled")
ACTIONS = {
    "list": "deliveries, newest first, with the reason of those that wait",
    "show": "one delivery with the evidence of every request",
    "retry": "make held, parked and waiting deliveries due now, and let stopped queues go on",
    "park": "stop deliveries until they are retried",
    "replay": "plan the visits of deliveries anew and deliver them again (nothing is doubled)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions; all but `show` take the same filters."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        action.add_argument("--format", choices=("text", "json"), default="text")
        if name == "show":
            action.add_argument("ids", type=int, nargs=1, metavar="ID")
            action.add_argument("--bodies", action="store_true", help="with requests and replies: personal data")
            continue
        _filters(action)
        if name == "list":
            action.add_argument("--limit", type=int, default=50, help="at most so many (default: %(default)s)")
        else:
            action.add_argument("--all", action="store_true", help="no filter: every delivery")
            action.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
        if name == "park":
            action.add_argument("--reason", required=True, help="what whoever looks at it must know")


def _filters(action: argparse.ArgumentParser) -> None:
    action.add_argument("ids", type=int, nargs="*", metavar="ID")
    action.add_argument("--state", action="append", choices=STATES, default=[], help="may be given several times")
    action.add_argument("--facility", help="slug of the facility")
    action.add_argument("--destination", choices=("vclaim", "satusehat"))
    action.add_argument("--operation", help="name of the mapping module, e.g. vclaim/sep-insert")
    action.add_argument("--visit", help="Encounter/ID")
    action.add_argument("--from", dest="since", type=_day, metavar="DAY", help="planned on or after (yyyy-mm-dd)")
    action.add_argument("--to", dest="until", type=_day, metavar="DAY", help="planned on or before (yyyy-mm-dd)")


def run(args: argparse.Namespace) -> int:
    """Do one action; 1 where nothing fits, 2 where it could not run."""
    from gateway.settings import load
    from gateway.store import StoreError

    try:
        return asyncio.run(_run(args, load()))
    except (StoreError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


async def _run(args: argparse.Namespace, settings: "Settings") -> int:
    from gateway.outbox import queue
    from gateway.outbox.admin import Filter
    from gateway.store import Store

    which = Filter(ids=tuple(args.ids)) if args.action == "show" else _filter(args, settings)
    if args.action in ("retry", "park", "replay") and which == Filter() and not args.all:
        raise ValueError(f"name deliveries or give a filter; gapura outbox {args.action} --all takes every one")
    store = await Store.open(settings)
    try:
        async with store.connection() as connection:
            await queue.take_in(connection)
        return await DO[args.action](args, settings, store, which)
    finally:
        await store.close()


def _filter(args: argparse.Namespace, settings: "Settings") -> "Filter":
    from gateway.outbox.admin import Filter

    slugs = [facility.slug for facility in settings.facilities]
    if args.facility is not None and args.facility not in slugs:
        raise ValueError(f"there is no facility {args.facility!r}; there are {', '.join(slugs)}")
    zone = ZoneInfo(settings.facilities[slugs.index(args.facility or slugs[0])].zone)
    return Filter(
        ids=tuple(args.ids),
        states=tuple(args.state),
        facility=args.facility,
        destination=args.destination,
        operation=args.operation,
        visit=args.visit,
        since=args.since and args.since.replace(tzinfo=zone),
        until=args.until and args.until.replace(tzinfo=zone) + timedelta(days=1),
    )


async def _list(args: argparse.Namespace, settings: "Settings", store: "Store", which: "Filter") -> int:
    from gateway.outbox import admin

    async with store.connection() as connection:
        rows = await admin.listed(connection, which, args.limit)
        stopped = await admin.paused(connection)
    if args.format == "json":
        print(_json({"rows": rows, "paused": stopped}))
        return 0
    for row in rows:
        print(_line(row))
    for queue in stopped:
        print(f"stopped: {queue['facility']} → {queue['destination']} since {queue['since']:%Y-%m-%d %H:%M}Z")
        print(f"    {queue['reason']['en']}")
    return 0


async def _show(args: argparse.Namespace, settings: "Settings", store: "Store", which: "Filter") -> int:
    from gateway.outbox import admin

    async with store.connection() as connection:
        rows = await admin.listed(connection, which, 1)
        if not rows:
            print(f"there is no delivery {args.ids[0]}", file=sys.stderr)
            return 1
        evidence = await admin.evidence(connection, args.ids[0])
    for one in evidence:
        for body in ("request", "reply"):
            one[body] = bytes(one[body] or b"").decode("utf-8", "replace") if args.bodies else len(one[body] or b"")
    if args.format == "json":
        print(_json({**rows[0], "evidence": evidence}))
        return 0
    print(_line(rows[0]))
    for one in evidence:
        answer = one["status"] or one["failure"] or "no answer was recorded"
        took = f"{(one['ended'] - one['started']).total_seconds() * 1000:.0f} ms" if one["ended"] else "-"
        print(f"    {one['started']:%Y-%m-%d %H:%M:%S}Z  {one['method']:6} {one['url']}  {answer}  {took}")
        for body in ("request", "reply") if args.bodies else ():
            print(f"        {body}: {one[body]}")
    return 0


async def _change(args: argparse.Namespace, settings: "Settings", store: "Store", which: "Filter") -> int:
    from gateway.outbox import admin

    async with store.connection() as connection:
        rows = await admin.listed(connection, which, 1_000_000)
        if args.action != "replay":
            rows = [row for row in rows if row["state"] in ("due", "held", "parked")]
        if args.dry_run:
            for row in rows:
                print(_line(row))
        elif args.action == "retry":
            await admin.retry(connection, which)
        elif args.action == "park":
            await admin.park(connection, which, args.reason)
    if args.action == "replay" and not args.dry_run:
        await admin.replay(store, settings, sorted({(row["facility"], row["visit"]) for row in rows}))
    verb = {"retry": "to be tried now", "park": "parked", "replay": "to be delivered again"}[args.action]
    print(f"{len(rows)} deliveries {'would be ' if args.dry_run else ''}{verb}")
    return 0 if rows else 1


DO = {"list": _list, "show": _show, "retry": _change, "park": _change, "replay": _change}


def _line(row: dict[str, Any]) -> str:
    step = f":{row['step']}" if row["step"] else ""
    unsettled = "  outcome unknown" if row["unsettled"] else ""
    line = (
        f"{row['id']:>8}  {row['state']:9}  {row['operation'] + step:28}  {row['visit']}  {row['facility']}{unsettled}"
    )
    return f"{line}\n          {row['reason']['id']}\n          {row['reason']['en']}" if row["reason"] else line


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 (the facility's zone is put on later)
