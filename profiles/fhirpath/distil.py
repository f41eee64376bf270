"""Write `model.txt`, the type model, from StructureDefinitions: `python -m profiles.fhirpath.distil`.

One line a type: its name, its base, then its own elements as `name[*][?]:Type|Type`. `*` says that it repeats, `?`
that it is a choice (`value[x]`: the JSON name is the name plus the type's name). Backbone elements are types named by
their path.
Source: https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/fhirpath.html#types.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

MODEL = Path(__file__).with_name("model.txt")
_BACKBONE = frozenset(("id", "extension", "modifierExtension"))
# FHIR writes these three with a System type in the definitions; the types below are those that the data has.
_SYSTEM_TYPED = {"Resource.id": "id", "Extension.url": "uri"}


def distil(definitions: Iterable[dict[str, Any]]) -> str:
    """The text of the model of all base definitions (no profiles) among `definitions`."""
    by_url = {d["url"]: d for d in definitions if d.get("derivation") != "constraint" and d["kind"] != "logical"}
    lines: dict[str, str] = {}
    for definition in by_url.values():
        base = by_url.get(definition.get("baseDefinition", ""))
        lines.update(_lines(definition, _children(base) if base else frozenset()))
    return "".join(f"{lines[name]}\n" for name in sorted(lines))


def _children(definition: dict[str, Any]) -> frozenset[str]:
    paths = (element["path"].split(".") for element in definition["snapshot"]["element"])
    return frozenset(path[1] for path in paths if len(path) == 2)


def _lines(definition: dict[str, Any], inherited: frozenset[str]) -> dict[str, str]:
    root = definition["type"]
    base = definition.get("baseDefinition", "").rpartition("/")[2] or "Any"
    types: dict[str, list[str]] = {root: [root, base]}
    if definition["kind"] == "primitive-type":
        return {root: f"{root} {base}"}
    for element in definition["snapshot"]["element"]:
        owner, _, name = element["path"].rpartition(".")
        if not owner or name in (inherited if owner == root else _BACKBONE):
            continue
        codes = [_code(element["path"], t) for t in element.get("type", ())]
        if "contentReference" in element:
            codes = [element["contentReference"].partition("#")[2]]
        elif codes[0] in ("BackboneElement", "Element"):
            types[element["path"]] = [element["path"], codes[0]]
            codes = [element["path"]]
        many = "" if element["max"] in ("0", "1") else "*"
        choice = "?" if name.endswith("[x]") else ""
        types[owner].append(f"{name.removesuffix('[x]')}{many}{choice}:{'|'.join(codes)}")
    return {name: " ".join(words) for name, words in types.items()}


def _code(path: str, type_: dict[str, Any]) -> str:
    code: str = type_["code"]
    if code.startswith("http://hl7.org/fhirpath/System."):
        return _SYSTEM_TYPED.get(path, "string")
    return code


def main() -> None:
    """Write the model from the shipped definitions."""
    from profiles import definitions

    MODEL.write_text(distil(definitions.structures()), "utf-8")


if __name__ == "__main__":
    main()
