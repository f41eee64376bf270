"""Distil HL7's definition packages into the tables beside this file.

    python profiles/definitions/distil.py R4_CORE.tgz EXPANSIONS.tgz TERMINOLOGY.tgz

Arguments are npm packages, packed (.tgz) or unpacked (a folder): one with the R4 core definitions
(hl7.fhir.r4.examples 4.0.1 holds them all), hl7.fhir.r4.expansions, hl7.terminology.r4. Prose is left out; everything
else keeps FHIR's own JSON shape, one definition a line, so that a new version shows as a diff of lines.
"""

import hashlib
import re
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

Json = dict[str, Any]

DATA = Path(__file__).parent / "data"

STRUCTURE = [
    "url",
    "name",
    "type",
    "kind",
    "abstract",
    "baseDefinition",
    "derivation",
    "context",
    "contextInvariant",
    "fhirVersion",
    "snapshot",
    "differential",
]
ELEMENT = [
    "id",
    "path",
    "sliceName",
    "sliceIsConstraining",
    "slicing",
    "min",
    "max",
    "base",
    "contentReference",
    "type",
    "maxLength",
    "constraint",
    "mustSupport",
    "isModifier",
    "isSummary",
    "binding",
]
ELEMENT_CHOICES = ("fixed", "pattern", "minValue", "maxValue", "defaultValue")
SEARCH = [
    "url",
    "code",
    "base",
    "type",
    "expression",
    "target",
    "component",
    "comparator",
    "modifier",
    "multipleOr",
    "multipleAnd",
    "chain",
]
CODE_SYSTEM = ["url", "version", "content", "caseSensitive", "hierarchyMeaning", "valueSet", "supplements", "concept"]
VALUE_SET = ["url", "version", "compose", "expansion"]

UNUSABLE_CODE_SYSTEMS = {
    "http://terminology.hl7.org/CodeSystem/conceptdomains": "names of concept domains, never data",
    "http://terminology.hl7.org/CodeSystem/v2-tables": "a table of tables, never data",
}
MOST_LISTED_CODES = 3000
"""A value set that lists more codes of a foreign system than this is left to a site's own terminology."""
SERVER_CUT = 1000
"""HL7's terminology server cut the expansions of large systems here: such a list is not the whole."""


def main(packages: list[str]) -> None:
    core, expansions, terminology = (list(read_package(Path(p))) for p in packages)
    structures = {r["url"]: structure(r) for r in of(core, "StructureDefinition")}
    slim_constraints(structures)
    write("structures", by_url(structures.values()))
    write("search_parameters", by_url(keep(r, SEARCH) for r in of(core, "SearchParameter") if is_standard(r)))
    write("compartments", [compartment(r) for r in of(core, "CompartmentDefinition") if r["id"] != "example"])
    systems = merged_systems(of(core, "CodeSystem"), of(terminology, "CodeSystem"))
    write("code_systems", by_url(systems))
    write("value_sets", by_url(value_sets(core, expansions, terminology, {row["url"] for row in systems})))
    extensions = [url for url, s in structures.items() if s["type"] == "Extension" and not is_base(s)]
    (DATA / "extensions.txt").write_text("\n".join(sorted(extensions)) + "\n")
    types = [s["type"] for s in structures.values() if s["kind"] == "resource" and not s["abstract"] and is_base(s)]
    (DATA / "resource_types.txt").write_text("\n".join(sorted(types)) + "\n")
    sources = [source(Path(p)) for p in packages]
    (DATA / "sources.json").write_bytes(msgspec.json.format(msgspec.json.encode(sources), indent=1) + b"\n")


def read_package(path: Path) -> Iterator[Json]:
    """Every resource of an npm package, packed or not."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    if path.is_dir():
        root = path / "package" if (path / "package").is_dir() else path
        files: Iterable[tuple[str, Callable[[], bytes]]] = ((f.name, f.read_bytes) for f in sorted(root.glob("*.json")))
        yield from (decode(read()) for name, read in files if name != "package.json")
        return
    with tarfile.open(path) as archive:
        for member in archive:
            if re.fullmatch(r"package/(?!package\.json|\.)[^/]+\.json", member.name):
                yield decode(archive.extractfile(member).read())  # type: ignore[union-attr]


def source(path: Path) -> Json:
    """Name, version, licence and SHA-256 of the packed package (of the sorted files where it is unpacked)."""
    digest = hashlib.sha256()
    if path.is_dir():
        root = path / "package" if (path / "package").is_dir() else path
        head = (root / "package.json").read_bytes()
        for file in sorted(root.glob("*.json")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    else:
        digest.update(path.read_bytes())
        with tarfile.open(path) as archive:
            head = archive.extractfile("package/package.json").read()  # type: ignore[union-attr]
    package = msgspec.json.decode(head)
    kind = "files" if path.is_dir() else "tgz"
    return {k: package.get(k) for k in ("name", "version", "license")} | {"sha256": digest.hexdigest(), "of": kind}


def of(resources: Iterable[Json], kind: str) -> list[Json]:
    return [r for r in resources if r.get("resourceType") == kind and "url" in r]


def keep(value: Json, names: Iterable[str]) -> Json:
    return {name: value[name] for name in names if name in value}


def by_url(rows: Iterable[Json]) -> list[Json]:
    return sorted(rows, key=lambda row: str(row["url"]))


def write(name: str, rows: Iterable[Json]) -> None:
    lines = [msgspec.json.encode(row) for row in rows]
    (DATA / f"{name}.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def structure(full: Json) -> Json:
    result = keep(full, STRUCTURE)
    for view in ("snapshot", "differential"):
        if view in result:
            result[view] = {"element": [element(e) for e in result[view]["element"]]}
    if "snapshot" in result:
        result.pop("differential", None)
    return result


def element(full: Json) -> Json:
    result = keep(full, ELEMENT)
    result.update({k: v for k, v in full.items() if k.startswith(ELEMENT_CHOICES)})
    if result.get("base") == {"path": result["path"], "min": result.get("min"), "max": result.get("max")}:
        del result["base"]  # says nothing that the element does not
    for flag in ("mustSupport", "isModifier", "isSummary"):
        if result.get(flag) is False:
            del result[flag]
    if "slicing" in result:
        result["slicing"] = keep(full["slicing"], ("discriminator", "ordered", "rules"))
    if "binding" in result:
        result["binding"] = keep(full["binding"], ("strength", "valueSet"))
        if widest := [e for e in full["binding"].get("extension", ()) if e["url"].endswith("maxValueSet")]:
            result["binding"]["extension"] = widest
    if "constraint" in result:
        result["constraint"] = [keep(c, ("key", "severity", "expression", "source")) for c in full["constraint"]]
    return result


def is_base(definition: Json) -> bool:
    return definition.get("derivation") != "constraint"


def slim_constraints(structures: dict[str, Json]) -> None:
    """Drop from each element the constraints that its own type carries anyway (`ele-1` stands on all 25 000)."""
    own = {
        s["type"]: {c["key"] for c in s["snapshot"]["element"][0].get("constraint", ())}
        for s in structures.values()
        if is_base(s) and "snapshot" in s
    }
    for each in structures.values():
        for e in each.get("snapshot", {}).get("element", ()):
            of_types = [own.get(t["code"], set()) for t in e.get("type", ())]
            implied = set.intersection(*of_types) if of_types and "." in e["path"] else set()
            left = [c for c in e.get("constraint", ()) if c["key"] not in implied]
            e.pop("constraint", None)
            if left:
                e["constraint"] = left


def is_standard(parameter: Json) -> bool:
    return not re.search(r"/SearchParameter/(example|.*-extensions-)", parameter["url"]) and "base" in parameter


def compartment(full: Json) -> Json:
    members = {r["code"]: r["param"] for r in full["resource"] if r.get("param")}
    return {"code": full["code"], "url": full["url"], "resource": members}


def concepts(rows: Iterable[Json]) -> list[Json]:
    result = []
    for row in rows:
        kept = keep(row, ("code", "display"))
        if any(p.get("code") == "notSelectable" and p.get("valueBoolean") for p in row.get("property", ())):
            kept["abstract"] = True
        if row.get("concept"):
            kept["concept"] = concepts(row["concept"])
        result.append(kept)
    return result


def merged_systems(core: list[Json], newer: list[Json]) -> list[Json]:
    """Every code system of R4, with the codes that the newer package adds to it, and those that only it has.

    The newer package writes a hierarchy as flat concepts with `subsumedBy`: such codes are put under their parents.
    """
    result = {r["url"]: keep(r, CODE_SYSTEM) for r in core}
    for r in newer:
        row = result.setdefault(r["url"], keep(r, CODE_SYSTEM) | {"concept": []})
        if row["content"] != r["content"] or "concept" not in row:
            continue
        known = {c["code"]: c for c in every(row["concept"])}
        fresh = [c for c in every(r.get("concept", ())) if c["code"] not in known]
        known.update((c["code"], c) for c in fresh)
        children = {id(child) for c in fresh for child in c.get("concept", ())}
        for c in fresh:
            if id(c) in children:
                continue
            parents = [known[p] for p in parents_of(c) if p in known and p != c["code"]] or [row]
            for parent in parents:
                parent.setdefault("concept", []).append(c)
    for row in result.values():
        if "concept" in row:
            row["concept"] = concepts(row["concept"])
    return [row for url, row in result.items() if url not in UNUSABLE_CODE_SYSTEMS]


def parents_of(concept: Json) -> list[str]:
    return [p["valueCode"] for p in concept.get("property", ()) if p.get("code") == "subsumedBy" and "valueCode" in p]


def every(rows: Iterable[Json]) -> Iterator[Json]:
    for row in rows:
        yield row
        yield from every(list(row.get("concept", ())))


def value_sets(core: list[Json], expansions: list[Json], newer: list[Json], known: set[str]) -> list[Json]:
    """Every value set as its `compose`; with an `expansion` only where it draws on a system that is not shipped."""
    expanded = {r["url"]: r["expansion"].get("contains", ()) for r in of(expansions, "ValueSet")}
    result: dict[str, Json] = {}
    for r in [*of(newer, "ValueSet"), *of(core, "ValueSet")]:
        row = keep(r, VALUE_SET)
        row.pop("expansion", None)
        compose = row.get("compose", {})
        parts = [*compose.get("include", ()), *compose.get("exclude", ())]
        if sum(len(part.get("concept", ())) for part in parts) > MOST_LISTED_CODES:
            continue
        for part in parts:
            if "concept" in part:
                part["concept"] = [{"code": c["code"]} for c in part["concept"]]
        foreign = any("concept" not in part and part.get("system", next(iter(known))) not in known for part in parts)
        if foreign and 0 < len(expanded.get(r["url"], ())) < SERVER_CUT:
            row["expansion"] = {"contains": [keep(c, ("system", "code")) for c in expanded[r["url"]]]}
        result[r["url"]] = row
    return list(result.values())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1:])
