"""`gapura doctor`: checks settings, folder, database, keys, clock, credentials and reachability; says what to fix."""

import argparse
import asyncio
import ipaddress
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from gateway.connectors.wire import Exchange
    from gateway.settings import Facility, SatusehatAccount, Settings, VClaimAccount
Ask = Callable[["Facility", Any, Callable[["Exchange"], None]], Awaitable[None]]
"""Asks a destination, with an account of the facility there, for something that proves it and changes nothing."""

LEAST_FREE = 1 << 30
MOST_SKEW_S = 60
NOBODY = "0000000000000000"
"""A NIK that no one has: asking for it proves the credentials and touches no one's record."""


class Finding(NamedTuple):
    """What one check found; `fix` is what to do, empty where nothing is wrong."""

    state: Literal["ok", "warning", "wrong"]
    what: str
    said: str
    fix: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option: stay at home."""
    parser.add_argument("--offline", action="store_true", help="ask nothing of BPJS and SATUSEHAT")


def run(args: argparse.Namespace) -> int:
    """Print every finding; 0 nothing is wrong, 1 something is, 2 the settings cannot be read."""
    from gateway.settings import load

    try:
        settings = load()
        facilities = settings.facilities
    except (ValueError, OSError) as error:
        print(f"wrong    settings: {error}\n         fix: mend the variable or file that is named", file=sys.stderr)
        return 2
    names = ", ".join(facility.slug for facility in facilities)
    _print(Finding("ok", "settings", f"facilities: {names}"))
    return 1 if asyncio.run(_examine(settings, offline=args.offline)) else 0


async def _examine(settings: "Settings", *, offline: bool) -> int:
    wrong = 0
    async for finding in _findings(settings, offline=offline):
        _print(finding)
        wrong += finding.state == "wrong"
    print("\nnothing is wrong" if not wrong else f"\n{wrong} to fix")
    return wrong


def _print(finding: Finding) -> None:
    print(f"{finding.state:8} {finding.what}: {finding.said}")
    if finding.fix:
        print(f"{'':8} fix: {finding.fix}")


async def _findings(settings: "Settings", *, offline: bool) -> AsyncIterator[Finding]:
    yield _home(settings)
    yield _listening(settings)
    async for finding in _database(settings):
        yield finding
    if settings.redis_url:
        yield await _redis(settings.redis_url.get_secret_value())
    for facility in settings.facilities:
        for system, ask in DESTINATIONS.items():
            if getattr(facility, system) is None:
                yield Finding("warning", f"{facility.slug} {system}", "no account: nothing is sent there")
            elif not offline:
                async for finding in _destination(facility, system, ask):
                    yield finding


def _home(settings: "Settings") -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe = settings.home / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
        free = shutil.disk_usage(settings.home).free
    except OSError as error:
        return Finding("wrong", "home", str(error), "set GAPURA_HOME to a folder that this user may write")
    said = f"{settings.home}, {free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE:
        return Finding("wrong", "home", said, "make room: below 1 GiB a busy day may fill the disk")
    return Finding("ok", "home", said)


def _listening(settings: "Settings") -> Finding:
    said = f"{settings.host}:{settings.port}"
    try:
        loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        loopback = settings.host == "localhost"
    if loopback or (settings.public_url or "").startswith("https://"):
        return Finding("ok", "address", said)
    fix = "put a TLS proxy in front and set GAPURA_PUBLIC_URL to its https address, or listen on 127.0.0.1"
    return Finding("warning", "address", f"{said} is open to the network, and HTTP is not encrypted", fix)


async def _database(settings: "Settings") -> AsyncIterator[Finding]:
    from gateway.security import keys
    from gateway.store import SchemaMismatch, Store, StoreError

    try:
        store = await Store.open(settings, migrating=False)
    except SchemaMismatch as error:
        yield Finding("wrong", "database", str(error), "run gapura db migrate, or gapura serve, which does it too")
        return
    except StoreError as error:
        where = "GAPURA_DATABASE_URL" if settings.database_url else "the log named above"
        yield Finding("wrong", "database", str(error), f"see {where}")
        return
    try:
        async with store.connection() as connection:
            version = await connection.fetchval("show server_version")
            skew = abs((datetime.now(UTC) - await connection.fetchval("select clock_timestamp()")).total_seconds())
            made = [row for row in await keys.listed(connection) if row.state == "valid"]
    finally:
        await store.close()
    yield Finding("ok", "database", f"PostgreSQL {version}{'' if settings.database_url else ', embedded'}")
    if skew > MOST_SKEW_S:
        yield Finding("wrong", "clock", f"{skew:.0f} s away from the database's", "synchronise both (NTP)")
    if made:
        yield Finding("ok", "API keys", f"{len(made)} valid")
    else:
        yield Finding("warning", "API keys", "none is valid: nobody gets in", "gapura key create --role simrs")


async def _redis(url: str) -> Finding:
    from redis.exceptions import RedisError

    from gateway.connectors.satusehat import shared

    client = shared(url)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        fix = "start Redis, mend GAPURA_REDIS_URL, or unset it: without it each process keeps its own rate budget"
        return Finding("warning", "redis", f"does not answer ({type(error).__name__})", fix)
    finally:
        await client.aclose()
    return Finding("ok", "redis", "answers")


async def _destination(facility: "Facility", system: str, ask: "Ask") -> AsyncIterator[Finding]:
    from gateway.connectors.errors import DestinationError, Misconfigured, Refused, Unavailable

    what, seen = f"{facility.slug} {system}", list["Exchange"]()
    account = getattr(facility, system)
    try:
        await ask(facility, account, seen.append)
        yield Finding("ok", what, f"{account.base_url} answers and knows this facility")
    except Misconfigured as error:
        yield Finding("wrong", what, error.text, f"check the {system} credentials of {facility.slug}")
    except Refused as error:
        yield Finding("ok", what, f"{account.base_url} accepts the credentials ({error.text})")
    except Unavailable as error:
        fix = f"check the network and {system}.base_url; deliveries wait meanwhile"
        yield Finding("wrong", what, f"{account.base_url}: {error.text}", fix)
    except DestinationError as error:
        yield Finding("warning", what, error.text)
    skew = max((_skew(exchange) for exchange in seen), default=0.0)
    if skew > MOST_SKEW_S:
        fix = "synchronise this machine (NTP): BPJS refuses signatures of another time"
        yield Finding("wrong", f"{what} clock", f"{skew:.0f} s away from the server's", fix)


def _skew(exchange: "Exchange") -> float:
    """Seconds between the reply's Date header and our clock when it came."""
    dates = [value for name, value in exchange.reply_headers.items() if name.lower() == "date"]
    try:
        return abs((exchange.ended - parsedate_to_datetime(dates[0])).total_seconds())
    except (IndexError, ValueError, TypeError):
        return 0.0


async def _ask_vclaim(facility: "Facility", account: "VClaimAccount", seen: Callable[["Exchange"], None]) -> None:
    from zoneinfo import ZoneInfo

    from gateway.connectors.vclaim import VClaim

    client = VClaim(account, seen)
    try:
        await client.peserta_by_nik(NOBODY, datetime.now(ZoneInfo(facility.zone)).date())
    finally:
        await client.close()


async def _ask_satusehat(facility: "Facility", account: "SatusehatAccount", seen: Callable[["Exchange"], None]) -> None:
    from gateway.connectors.satusehat import Satusehat

    client = Satusehat(account, seen)
    try:
        await client.read("Organization", facility.organization_id)
    finally:
        await client.close()


DESTINATIONS: "dict[str, Ask]" = {"vclaim": _ask_vclaim, "satusehat": _ask_satusehat}
