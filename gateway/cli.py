"""The `gapura` command: a table of sub-commands, each in its own file and imported only when it is called.

Exit codes: 0 done, 1 the answer is "no" (invalid, failed), 2 it could not run (bad usage, unreadable file).
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

COMMANDS = {
    "demo": "the main job, end to end, on embedded PostgreSQL and the sandbox",
    "serve": "the gateway: FHIR REST API, console and delivery worker",
    "sandbox": "the simulated outside systems alone",
    "worker": "a delivery worker alone",
    "validate": "check FHIR resources against R4, profiles and the ministry's rules",
    "fhirpath": "evaluate a FHIRPath expression on a resource",
    "map": "run a mapping module on a resource or Bundle",
    "mapping": "list, test or begin mapping modules",
    "terminology": "load, list or remove code tables (SNOMED CT, LOINC, KFA)",
    "outbox": "list, show, retry, park or replay deliveries",
    "report": "the conformance report of a period",
    "key": "create, list or revoke API keys",
    "db": "migrate, back up or restore the database",
    "doctor": "check settings, database, clock, credentials and reachability",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((a for a in arguments if not a.startswith("-")), None)
    parser = argparse.ArgumentParser(prog="gapura", description="FHIR-native gateway to BPJS and SATUSEHAT.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in COMMANDS.items():
        sub = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        if name == chosen:
            module = importlib.import_module(f"gateway.commands.{name}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    return int(args.run(args))


class _Version(argparse.Action):
    """Prints the version; asking for it takes longer than most of the start, and so is done only here."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"gapura {version('gapura')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
