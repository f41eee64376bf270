"""`gapura terminology load | list | remove`: code tables too large to ship, such as SNOMED CT, LOINC or KFA.

Exit codes: 0 done, 1 there was no such table, 2 it could not run.
"""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from profiles.tables import About


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """load, list, remove."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    load = actions.add_parser("load", help="load whole code systems; a table that is there is replaced")
    load.add_argument("file", nargs="+", metavar="FILE", help="a FHIR CodeSystem (.json), CSV, or tabs (.tsv, .txt)")
    load.add_argument("--system", metavar="URL", help="the code system; a FHIR CodeSystem says its own")
    load.add_argument("--version", default="", help="the edition, as list shows it")
    load.add_argument("--columns", metavar="CODE,NAME", help="headings of the columns to read (default: the first two)")
    listing = actions.add_parser("list", help="the tables there are")
    remove = actions.add_parser("remove", help="remove the table of a code system")
    remove.add_argument("system", metavar="URL")
    for action in (load, listing, remove):
        action.add_argument("--facility", help="slug of the facility whose own tables are meant (default: for all)")


def run(args: argparse.Namespace) -> int:
    """Do one action."""
    from gateway import settings
    from gateway.terminology import folder
    from profiles import tables

    try:
        found = settings.load()
        slugs = [facility.slug for facility in found.facilities]
        if args.facility is not None and args.facility not in slugs:
            raise ValueError(f"there is no facility {args.facility!r}; there are {', '.join(slugs)}")
        home = folder(found.home, args.facility)
        if args.action == "load":
            return _load(args, home)
        if args.action == "list":
            _list(found.home, slugs, args.facility)
            return 0
        if tables.remove(home, args.system):
            print(f"{args.system} is removed; a running gateway lets go of it when it is started again")
            return 0
    except (ValueError, OSError) as error:
        print(f"gapura terminology: {error}", file=sys.stderr)
        return 2
    print(f"there is no table of {args.system!r}; gapura terminology list shows those there are", file=sys.stderr)
    return 1


def _load(args: argparse.Namespace, home: "Path") -> int:
    from itertools import chain
    from pathlib import Path

    from profiles import tables

    paths = [Path(name) for name in args.file]
    lists = [path for path in paths if path.suffix != ".json"]
    if lists and args.system is None:
        raise ValueError(f"{lists[0]} does not say its code system; name it with --system")
    if args.columns is not None and args.columns.count(",") != 1:
        raise ValueError(f"--columns is {args.columns!r}; it names two, as in LOINC_NUM,LONG_COMMON_NAME")
    if lists and len(lists) < len(paths):
        raise ValueError("a FHIR CodeSystem and lists of codes are not loaded at once")
    if lists:
        code, _, name = (args.columns or ",").partition(",")
        rows = chain.from_iterable(tables.read_rows(path, (code, name) if args.columns else None) for path in lists)
        source = ", ".join(path.name for path in lists)
        _loaded(tables.write(home, args.system, rows, version=args.version, source=source))
        return 0
    for path in paths:
        system = tables.read_code_system(path)
        if args.system is not None and system.url != args.system:
            raise ValueError(f"{path} is of {system.url or 'no system'}, not of {args.system}")
        if not system.url:
            raise ValueError(f"{path} has no url")
        version = args.version or system.version
        _loaded(tables.write(home, system.url, system.rows(), version=version, source=path.name))
    return 0


def _loaded(about: "About") -> None:
    print(f"{about.system}: {about.codes} codes; a running gateway takes them when it is started again")


def _list(home: "Path", slugs: list[str], facility: str | None) -> None:
    from gateway.terminology import folder
    from profiles import tables

    print(f"{'facility':16}{'codes':>9}  {'version':20}{'system':48}source")
    for slug in (None, *slugs) if facility is None else (facility,):
        for table in tables.tables(folder(home, slug)):
            about = table.about
            print(f"{slug or '*':16}{about.codes:>9}  {about.version:20}{about.system:48}{about.source}")
