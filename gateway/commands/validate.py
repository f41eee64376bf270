"""`gapura validate FILE…`: check FHIR resources against R4, profiles and a destination's rules.

Files, folders (every .json and .ndjson below), NDJSON (a resource a line) and standard input (`-`). Exit codes: 0 all
are valid, 1 some are not, 2 it could not run.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gateway.settings import Facility
    from profiles.fhirjson import Resource
    from profiles.tables import CodeTables
    from profiles.validator import Issue, Validator
    from profiles.validator.issue import Lang

DESTINATIONS = ("satusehat", "vclaim")
SUFFIXES = (".json", ".ndjson", ".jsonl")
LINES = (".ndjson", ".jsonl")
SHARED_FROM = 64
"""Resources from which several processes share the work."""
CHUNK = 16


class Piece(NamedTuple):
    """One resource to check: the name to show for it and its bytes, or why it cannot be read."""

    name: str
    raw: bytes
    problem: str | None = None


class Judged(NamedTuple):
    """What came out for one piece: its line of output, and whether it is valid; None where it could not be read."""

    text: str
    valid: bool | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", nargs="+", metavar="FILE", help="a resource, a folder, NDJSON, or - for standard input")
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="URL",
        help="hold every resource to this profile; or a file, folder or package (.tgz) of profiles that may be named",
    )
    parser.add_argument("--for", dest="destination", choices=DESTINATIONS, help="and to the rules of a destination")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: an OperationOutcome a line")
    parser.add_argument("--lang", choices=("id", "en"), default="en", help="language of the messages")
    parser.add_argument("--strict", action="store_true", help="an extension that nobody defined is an error")
    parser.add_argument("--facility", help="slug of the facility whose profiles and organisation count")
    parser.add_argument("--processes", type=int, default=0, help="how many share the work (default: one a core)")


def run(args: argparse.Namespace) -> int:
    """Check, print, and say by the exit code whether all are valid."""
    try:
        pieces = list(_pieces(args.file))
        judge = _Judge(args)
    except (ValueError, OSError) as error:
        print(f"gapura validate: {error}", file=sys.stderr)
        return 2
    if not pieces:
        print(f"gapura validate: no resource in {', '.join(args.file)}", file=sys.stderr)
        return 2
    worst = 0
    with _progress(len(pieces)) as step:
        for judged in _judged(pieces, judge, args):
            step()
            sys.stdout.write(judged.text)
            worst = max(worst, {True: 0, False: 1, None: 2}[judged.valid])
    return worst


def _judged(pieces: list[Piece], judge: "_Judge", args: argparse.Namespace) -> Iterator[Judged]:
    """In the order of the pieces; by several processes where there are many."""
    processes = args.processes or os.cpu_count() or 1
    if processes == 1 or len(pieces) < SHARED_FROM:
        yield from map(judge, pieces)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(processes, initializer=_begin, initargs=(args,)) as pool:
        yield from pool.map(_work, pieces, chunksize=CHUNK)


_own: "list[_Judge]" = []


def _begin(args: argparse.Namespace) -> None:
    _own[:] = [_Judge(args)]


def _work(piece: Piece) -> Judged:
    return _own[0](piece)


def _progress(total: int) -> Any:
    """A context whose value is to be called once a piece; it shows a bar where someone watches a long run."""
    if total < SHARED_FROM or not sys.stderr.isatty() or sys.stdout.isatty():
        return nullcontext(lambda: None)
    from gateway.commands.progress import bar

    return bar(total)


# ---------------------------------------------------------------------- what is checked


def _pieces(names: Iterable[str]) -> Iterator[Piece]:
    """Every resource of the files, folders and standard input. Raises OSError for a name that is nothing."""
    for name in names:
        if name == "-":
            yield from _split("-", sys.stdin.buffer.read())
            continue
        path = Path(name)
        if not path.is_dir():
            yield from _split(name, path.read_bytes())
            continue
        for file in sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
            try:
                yield from _split(str(file), file.read_bytes())
            except OSError as error:
                yield Piece(str(file), b"", str(error))


def _split(name: str, raw: bytes) -> Iterator[Piece]:
    if name.endswith(LINES) or (name == "-" and _is_lines(raw)):
        for n, line in enumerate(raw.splitlines(), 1):
            if line.strip():
                yield Piece(f"{name}:{n}", line)
    else:
        yield Piece(name, raw)


def _is_lines(raw: bytes) -> bool:
    """True where each of the first two lines is a JSON object of its own."""
    from profiles.fhirjson import FhirJsonError, decode

    lines = [line for line in raw[: 1 << 20].splitlines() if line.strip()][:2]
    try:
        return len(lines) == 2 and all(decode(line) is not None for line in lines)
    except FhirJsonError:
        return False


# ---------------------------------------------------------------------- judging


class _Judge:
    """Judges one piece and words the result."""

    def __init__(self, args: argparse.Namespace) -> None:
        facility = _facility(args)
        sources = [name for name in args.profile if Path(name).exists()]
        self._profiles = [name for name in args.profile if name not in sources]
        self._validator = _validator(args, sources, facility)
        for url in self._profiles:
            if self._validator.definitions.structure(url) is None:
                raise ValueError(f"--profile: {url} is neither a file nor a profile that is known here")
        self._lang: Lang = args.lang
        self._json = args.format == "json"

    def __call__(self, piece: Piece) -> Judged:
        from profiles.fhirjson import FhirJsonError, decode
        from profiles.validator import is_valid

        if piece.problem is not None:
            print(f"gapura validate: {piece.problem}", file=sys.stderr)
            return Judged("", None)
        try:
            issues = self._issues(decode(piece.raw))
        except FhirJsonError as error:
            issues = [_unreadable(error)]
        else:
            issues = _placed(piece.raw, issues)
        return Judged(self._worded(piece.name, issues), is_valid(issues))

    def _issues(self, resource: "Resource") -> "list[Issue]":
        if not self._profiles:
            return self._validator.validate(resource)
        found = [self._validator.validate(resource, profile) for profile in self._profiles]
        return [*found[0], *(issue for more in found[1:] for issue in more if issue not in found[0])]

    def _worded(self, name: str, issues: "list[Issue]") -> str:
        from profiles.fhirjson import encode
        from profiles.validator import is_valid, outcome

        if self._json:
            return encode(outcome(issues, self._lang)).decode() + "\n"
        rows = [f"{name}: {'OK' if is_valid(issues) else 'not valid' if self._lang == 'en' else 'tidak sah'}\n"]
        for issue in issues:
            place = f"{issue.line}:{issue.column}: " if issue.line else ""
            rows.append(f"  {place}{issue.severity} {issue.tier} {issue.rule}: {issue.text(self._lang)}\n")
            if fix := issue.fix(self._lang):
                rows.append(f"    → {fix}\n")
        return "".join(rows)


def _validator(args: argparse.Namespace, sources: list[str], facility: "Facility | None") -> "Validator":
    from profiles import indonesia
    from profiles.validator import INDONESIA, Validator

    loaded = _tables(facility)
    site = [facility.profiles] if facility is not None and facility.profiles is not None else []
    if args.destination is None:
        return Validator([*indonesia.resources(), *site, *sources], strict=args.strict, codes=loaded)
    if args.destination == "satusehat":
        from profiles.rules import Rules

        rules: Any = Rules(facility.organization_id if facility is not None else None, loaded)
    else:
        from gateway.commands.claims import Claims

        rules = Claims(facility)
    return Validator([INDONESIA, *site, *sources], rules, strict=args.strict, codes=loaded)


def _tables(facility: "Facility | None") -> "CodeTables":
    """The code tables of GAPURA_HOME; none where there is no such folder, which needs no settings to be read."""
    from gateway.terminology import FOLDER, tables
    from profiles.tables import NO_TABLES

    home = Path(os.environ.get("GAPURA_HOME", ".gapura"))
    if facility is None and not Path(".env").exists():
        return tables(home, "default") if (home / FOLDER).is_dir() else NO_TABLES
    from gateway.settings import load

    settings = load()
    return tables(settings.home, facility.slug if facility is not None else settings.facilities[0].slug)


def _facility(args: argparse.Namespace) -> "Facility | None":
    """The facility asked for, or the first one where the settings name any; None where there are no settings."""
    if args.facility is None and "GAPURA_FACILITIES_FILE" not in os.environ and not Path(".env").exists():
        return None
    from gateway.settings import load

    settings = load()
    if args.facility is None and settings.facilities_file is None:
        return None
    facilities = {facility.slug: facility for facility in settings.facilities}
    if args.facility is None:
        return settings.facilities[0]
    if args.facility not in facilities:
        raise ValueError(f"unknown facility {args.facility!r}; the facilities are {', '.join(facilities)}")
    return facilities[args.facility]


def _placed(raw: bytes, issues: "list[Issue]") -> "list[Issue]":
    """The issues with line and column."""
    if not issues:
        return issues
    from profiles.places import places

    found = places(raw, {issue.path for issue in issues})
    return [issue._replace(line=found[issue.path][0], column=found[issue.path][1]) for issue in issues]


def _unreadable(error: Any) -> "Issue":
    """The issue of bytes that are no FHIR JSON."""
    from profiles.validator.issue import Issue, Wording

    text = str(error)
    return Issue(
        "fatal", "structure", "base", "json", "$this", None, Wording(text, text), None, error.line, error.column
    )
