"""`gapura mapping list | test | new`: the mapping modules there are, their golden examples, and the start of a new one.

Exit codes: 0 done, 1 an example failed, 2 it could not run.
"""

import argparse
import sys
from pathlib import Path

import mappings
from gateway import settings

SKELETON = {
    "module.yaml": """\
name: {name}
version: 0.1.0
title: (what it makes of what)
source: visit
destination: {destination}

steps:
  - name: send
    operation: {destination}.send
    template: template.yaml
    schema: target.schema.json
    on: [Encounter]
    when: status = 'finished'

held:
  patient:
    path: Encounter.subject
    id: Pasien belum diisi.
    en: The patient is missing.
""",
    "template.yaml": """\
# In the shape of the target; FHIRPath stands in double braces. %trigger is the resource that called for this step.
visit: "{{{{ %trigger.reference() }}}}"
patient: "{{{{ %trigger.subject.reference.need('patient') }}}}"
""",
    "target.schema.json": """\
{{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {{
    "visit": {{"type": "string"}},
    "patient": {{"type": "string"}},
    "note": {{"type": "string", "default": ""}}
  }},
  "required": ["visit", "patient", "note"],
  "additionalProperties": false
}}
""",
    "examples/finished.json": """\
{{
  "source": {{
    "resourceType": "Encounter", "id": "e1", "status": "finished",
    "class": {{"code": "AMB"}}, "subject": {{"reference": "Patient/p1"}}
  }},
  "product": {{"visit": "Encounter/e1", "patient": "Patient/p1", "note": ""}}
}}
""",
    "examples/held-without-patient.json": """\
{{
  "source": {{"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {{"code": "AMB"}}}},
  "held": ["patient"]
}}
""",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-commands."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("list", "the modules: name, version, destination, steps"),
        ("test", "compile modules and run their examples"),
        ("new", "begin a module in the site's own folder"),
    ):
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        action.add_argument("--overlay", type=Path, help="the site's folder (default: that of the first facility)")
        if name == "test":
            action.add_argument("module", nargs="*", help="default: all")
        if name == "new":
            action.add_argument("module", help="destination/name, for instance satusehat/my-report")


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    try:
        overlay = args.overlay or settings.load().facilities[0].mappings
        if args.action == "list":
            return _list(overlay)
        return _test(args.module, overlay) if args.action == "test" else _new(args.module, overlay)
    except (ValueError, OSError) as error:
        print(f"gapura mapping: {error}", file=sys.stderr)
        return 2


def _list(overlay: Path | None) -> int:
    for name in mappings.modules(overlay):
        module = mappings.load(name, overlay)
        steps = ", ".join(f"{step.name} ({step.operation})" for step in module.steps.values())
        print(f"{name}  {module.version}  {module.destination}  {steps}\n    {module.head.title}")
    return 0


def _test(names: list[str], overlay: Path | None) -> int:
    failed = 0
    for name in names or mappings.modules(overlay):
        try:
            print(f"{name}: {mappings.prove(name, overlay)} examples hold")
        except mappings.MappingError as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
    return 1 if failed else 0


def _new(name: str, overlay: Path | None) -> int:
    destination, _, rest = name.partition("/")
    if not (destination and rest.replace("-", "").isalnum()):
        raise ValueError(f"{name!r} is no module name; write destination/name, lower case with hyphens")
    if overlay is None:
        raise ValueError("there is no folder for it: name one with --overlay, or as `mappings` of the facility")
    folder = overlay / name
    if folder.exists() or name in mappings.modules(overlay):
        raise ValueError(f"{name} exists already")
    for file, text in SKELETON.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text.format(name=name, destination=destination), "utf-8")
    print(f"{folder}: try `gapura mapping test {name} --overlay {overlay}`")
    return 0
