"""`gapura map MODULE FILE…`: run a mapping module on a visit and print its product.

The product goes to standard output, the trace and the reasons for holding to standard error. Exit codes: 0 a product
that its target's schema accepts, 1 held or refused, 2 it could not run.
"""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mappings
from gateway import settings
from mappings.module import Trace
from profiles import fhirjson
from profiles.fhirjson import Resource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("module", help="for instance vclaim/sep-insert")
    parser.add_argument(
        "file", nargs="+", type=Path, help="FHIR JSON; what a later file holds replaces what an earlier one does"
    )
    parser.add_argument("--step", help="the step of a module that has several")
    parser.add_argument("--trace", action="store_true", help="say which template line made each value")
    parser.add_argument("--focus", metavar="TYPE/ID", help="the resource to map, where the visit holds several")
    parser.add_argument("--visit", nargs="+", type=Path, help="the visit, for a module whose source is a reply")
    parser.add_argument("--crosswalk", type=Path, help="JSON object: local Type/id to the destination's id")
    parser.add_argument("--pretend", action="store_true", help="as if every local id were the destination's too")
    parser.add_argument("--facility", help="slug of the facility (default: the first)")


def run(args: argparse.Namespace) -> int:
    """Map and print."""
    try:
        facility = _facility(args.facility)
        module = mappings.load(args.module, facility.mappings)
        step = module.step(args.step) if args.step else module.only
        context = _context(facility, args)
        source = _merged(args.file)
        product, trace = step.trace(source, **context) if args.trace else (step(source, **context), [])
    except mappings.Held as held:
        return _say("held", held.reasons)
    except (mappings.MappingError, ValueError, OSError) as error:
        print(f"gapura map: {error}", file=sys.stderr)
        return 2
    print(json.dumps(json.loads(fhirjson.encode(product)), indent=2, ensure_ascii=False))
    _show(trace)
    findings = step.check(product)
    return _say("refused by the target's schema", findings) if findings else 0


def _facility(slug: str | None) -> settings.Facility:
    facilities = {facility.slug: facility for facility in settings.load().facilities}
    if slug is None:
        return next(iter(facilities.values()))
    if slug not in facilities:
        raise ValueError(f"unknown facility {slug!r}; the facilities are {', '.join(facilities)}")
    return facilities[slug]


def _context(facility: settings.Facility, args: argparse.Namespace) -> dict[str, Any]:
    context: dict[str, Any] = {
        "facility": {
            "organization_id": facility.organization_id,
            "kode_faskes": facility.kode_faskes,
            "zone": facility.zone,
            "options": facility.options,
        },
        "crosswalk": _crosswalk(args),
        "now": datetime.now(UTC).isoformat(timespec="seconds"),
        "focus": args.focus,
    }
    return {**context, "visit": _merged(args.visit)} if args.visit else context


def _crosswalk(args: argparse.Namespace) -> Callable[[str], str | None] | None:
    if args.pretend:
        return lambda local: local.split("/")[-1].removeprefix("urn:uuid:")
    if args.crosswalk is None:
        return None
    return fhirjson.decode(args.crosswalk.read_bytes()).get


def _merged(files: list[Path]) -> Resource:
    if len(files) == 1:
        return _read(files[0])
    entries: dict[str, Any] = {}
    for path in files:
        resource = _read(path)
        found = resource.get("entry", []) if resource.get("resourceType") == "Bundle" else [{"resource": resource}]
        for entry in found:
            named = f"{entry['resource']['resourceType']}/{entry['resource'].get('id')}"
            entries[named if "id" in entry["resource"] else str(entry.get("fullUrl"))] = entry
    return {"resourceType": "Bundle", "type": "collection", "entry": list(entries.values())}


def _read(path: Path) -> Resource:
    try:
        return fhirjson.decode(path.read_bytes())
    except fhirjson.FhirJsonError as error:
        raise ValueError(f"{path}: {error}") from None


def _show(trace: Trace) -> None:
    for path, value, origin in trace:
        place = f"{origin.file}:{origin.line}  {origin.made_by}" if origin.file else origin.made_by
        print(f"{path} = {value!r}  <-  {place}", file=sys.stderr)


def _say(what: str, reasons: Any) -> int:
    print(f"gapura map: {what}", file=sys.stderr)
    for reason in reasons:
        print(f"  {reason.path}\n    id: {reason.text('id')}\n    en: {reason.text('en')}", file=sys.stderr)
    return 1
