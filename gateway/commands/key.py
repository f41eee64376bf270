"""`gapura key`: make, list and revoke API keys."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gateway.security.roles import roles

if TYPE_CHECKING:
    from gateway.security.keys import KeyRow
    from gateway.settings import Settings

ALL = "*"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """create, list, revoke."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and print it, once")
    described = "; ".join(f"{role.name}: {role.text['en'].lower()}" for role in roles().values())
    create.add_argument("--role", required=True, choices=list(roles()), help=described)
    create.add_argument("--facility", help="slug of the facility it opens (default: the first), or * for all")
    create.add_argument("--label", default="", help="whose key it is, for lists and the audit trail")
    create.add_argument("--days", type=int, help="days until it expires (default: never)")
    actions.add_parser("list", help="every key, without its secret")
    revoke = actions.add_parser("revoke", help="make a key worthless at once")
    revoke.add_argument("id", help="the key's id, the part between the first two underscores")


def run(args: argparse.Namespace) -> int:
    """Do one action; 1 where the key to revoke does not exist, 2 where it could not run."""
    from gateway.settings import load
    from gateway.store import StoreError

    try:
        return asyncio.run(_run(args, load()))
    except (StoreError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


async def _run(args: argparse.Namespace, settings: "Settings") -> int:
    from gateway.security import keys
    from gateway.store import Store

    facility = _facility(args, settings) if args.action == "create" else None
    store = await Store.open(settings)
    try:
        async with store.connection() as connection:
            if args.action == "create":
                expires = datetime.now(UTC) + timedelta(days=args.days) if args.days is not None else None
                print(await keys.create(connection, args.role, facility, args.label, expires))
                return 0
            if args.action == "list":
                _show(await keys.listed(connection))
                return 0
            if await keys.revoke(connection, args.id):
                print(f"{args.id} is revoked")
                return 0
            print(f"there is no key {args.id!r}; gapura key list shows them", file=sys.stderr)
            return 1
    finally:
        await store.close()


def _facility(args: argparse.Namespace, settings: "Settings") -> str | None:
    if args.facility == ALL:
        return None
    slugs = [facility.slug for facility in settings.facilities]
    if args.facility is not None and args.facility not in slugs:
        raise ValueError(f"there is no facility {args.facility!r}; there are {', '.join(slugs)}, or * for all")
    if args.days is not None and args.days < 1:
        raise ValueError("--days must be at least 1")
    return args.facility or slugs[0]


def _show(rows: "list[KeyRow]") -> None:
    print(f"{'id':10}{'role':10}{'facility':16}{'state':9}{'created':18}label")
    for row in rows:
        created = row.created.strftime("%Y-%m-%d %H:%M")
        print(f"{row.id:10}{row.role:10}{row.facility or ALL:16}{row.state:9}{created:18}{row.label}".rstrip())
