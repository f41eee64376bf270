"""Golden examples: what a module must make of a source. They gate its load.

An example is a JSON file in the module's `examples` folder:

    {"step": "insert", "base": "visit.json", "change": {"Patient/1": {…}}, "context": {…}, "product": {…}}

`base` names a file of the folder `examples/sources` (or `source` holds the source itself); `change` merges (RFC 7386)
into its resources by `Type/id`, null removes one, a new reference adds one. `context` is a call's context, its
`crosswalk` an object. In place of `product`: `held` (the keys of the reasons, in any order) or `findings` (the paths
that the target's schema refuses).
"""

from pathlib import Path
from typing import Any

from mappings.errors import Held, MappingError, known
from mappings.module import CONTEXT, Module
from profiles import fhirjson

KEYS = ("step", "source", "base", "change", "context", "product", "held", "findings")


def prove(module: Module, folders: list[Path]) -> int:
    """Run every example; a file of a later folder replaces its namesake. Returns how many ran.

    Raises MappingError at the first that fails.
    """
    files = {path.name: path for folder in folders for path in sorted(folder.glob("*.json"))}
    sources = {path.name: path for folder in folders for path in sorted((folder / "sources").glob("*.json"))}
    for name, path in sorted(files.items()):
        try:
            _prove(module, _read(path), sources)
        except MappingError as error:
            raise MappingError(f"example {name}: {error}", f"{module.name}/examples/{name}") from None
    return len(files)


def source_of(example: dict[str, Any], sources: dict[str, Path]) -> dict[str, Any]:
    """The source of an example, its base merged with its changes."""
    if "source" in example:
        return dict(example["source"])
    base = _read(sources[known(example.get("base", ""), sources, "base")])
    left = dict(example.get("change", {}))
    entries = []
    for entry in base["entry"]:
        resource = entry["resource"]
        reference = f"{resource['resourceType']}/{resource['id']}"
        if reference in left:
            resource = _merged(resource, left.pop(reference))
        if resource is not None:
            entries.append({**entry, "resource": resource})
    entries += [{"resource": resource} for resource in left.values()]
    return {**base, "entry": entries}


def _prove(module: Module, example: dict[str, Any], sources: dict[str, Path]) -> None:
    for key in example:
        known(key, KEYS, "key of an example")
    context = dict(example.get("context", {}))
    for key in context:
        known(key, CONTEXT, "context")
    if "crosswalk" in context:
        context["crosswalk"] = context["crosswalk"].get
    step = module.step(example["step"]) if "step" in example else module.only
    expected = sorted(example.get("held", ()))
    try:
        product = step(source_of(example, sources), **context)
    except Held as held:
        found = sorted({reason.key for reason in held.reasons})
        if found != expected:
            raise MappingError(f"is held for {found}, expected {expected or 'a product'}: {held}") from None
        return
    if expected:
        raise MappingError(f"made a product, expected to be held for {expected}")
    if "product" in example and (difference := differs(product, example["product"])):
        raise MappingError(difference)
    findings = step.check(product)
    if sorted(reason.path for reason in findings) != sorted(example.get("findings", ())):
        raise MappingError("the target's schema refuses " + "; ".join(reason.en for reason in findings))


def differs(found: Any, expected: Any, path: str = "") -> str | None:
    """The first difference of two JSON values in words, None where they are equal."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in (*expected, *(key for key in found if key not in expected)):
            place = f"{path}.{key}" if path else key
            if key not in found:
                return f"{place} is missing, expected {expected[key]!r}"
            if key not in expected:
                return f"{place} is {found[key]!r}, expected to be absent"
            if difference := differs(found[key], expected[key], place):
                return difference
        return None
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        each = (differs(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(found, expected, strict=True)))
        return next((difference for difference in each if difference), None)
    return None if found == expected else f"{path} is {found!r}, expected {expected!r}"


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    made = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merged(made.get(key), value)
    return made


def _read(path: Path) -> dict[str, Any]:
    try:
        return fhirjson.decode(path.read_bytes())
    except (OSError, fhirjson.FhirJsonError) as error:
        raise MappingError(str(error), path.name) from None
