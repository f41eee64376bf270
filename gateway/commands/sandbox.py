"""`gapura sandbox`: the simulated outside systems alone."""

import argparse
import json
import sys
from pathlib import Path

import yaml

from gateway.sandbox.server import DEFAULT_FACILITY, Sandbox, serve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it listens, and what it knows besides the shipped people and records."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8099, help="port, 0 for any free one (default: %(default)s)")
    parser.add_argument("--seed", type=Path, action="append", default=[], metavar="FILE", help="YAML of more people")
    parser.add_argument(
        "--facilities", type=Path, metavar="FILE", help="write a facilities file for GAPURA_FACILITIES_FILE"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""

    def announce(sandbox: Sandbox) -> None:
        print(f"VClaim     {sandbox.vclaim_url}\nSATUSEHAT  {sandbox.fhir_url}\ntokens     {sandbox.auth_url}")
        print(f"faults     POST {sandbox.url}/_sandbox/faults\nstate      GET {sandbox.url}/_sandbox/state", flush=True)
        if args.facilities:
            args.facilities.write_text(facilities_yaml(sandbox), "utf-8")
            print(f"facilities {args.facilities}", flush=True)

    try:
        serve(args.host, args.port, args.seed, announce)
    except (OSError, ValueError) as error:
        print(f"gapura sandbox: {error}", file=sys.stderr)
        return 2
    return 0


def facilities_yaml(sandbox: Sandbox) -> str:
    """A facilities file whose accounts are this sandbox's; its secrets open nothing else."""
    facility = sandbox.facility(DEFAULT_FACILITY)
    row = json.loads(facility.model_dump_json(exclude_defaults=True))
    assert facility.vclaim is not None
    assert facility.satusehat is not None
    row["vclaim"]["consumer_secret"] = facility.vclaim.consumer_secret.get_secret_value()
    row["vclaim"]["user_key"] = facility.vclaim.user_key.get_secret_value()
    row["satusehat"]["client_secret"] = facility.satusehat.client_secret.get_secret_value()
    return yaml.safe_dump([row], sort_keys=False)
