"""A broken variant of every element: refused by the fast pass, and by its reporting twin with the element's rule."""

from collections.abc import Iterator
from typing import Any

import pytest

from profiles import INDONESIA, Validator, definitions, indonesia
from profiles.definitions import RESOURCE_TYPES
from profiles.validator import Issue
from profiles.validator.primitives import CONDITIONS, EXAMPLES
from profiles.validator.tree import Node, max_of, tree

Json = dict[str, Any]

R4 = Validator()
SHIPPED = Validator([INDONESIA])
PROFILES = sorted(path.stem for path in (indonesia.FOLDER / "profiles").glob("*.json"))
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"


def rules(issues: list[Issue]) -> set[str]:
    return {issue.rule for issue in issues if issue.severity == "error"}


# ---------------------------------------------------------------------- every element of R4


def places(resource_type: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """(element id, JSON keys that lead to it, whether it repeats) of a type's own elements."""
    definition = definitions.structure(resource_type)
    assert definition is not None
    many = {}
    for element in definition["snapshot"]["element"]:
        path = element["path"]
        many[path] = element.get("base", element)["max"] not in ("0", "1")
        if "." not in path or path.endswith((".contained", ".id")) or ":" in element["id"]:
            continue
        keys = path.split(".")[1:]
        if keys[-1].endswith("[x]"):
            code = element["type"][0]["code"]
            keys[-1] = keys[-1][:-3] + code[0].upper() + code[1:]
        yield element["id"], tuple(keys), many[path]


def nested(resource_type: str, keys: tuple[str, ...], value: Any) -> Json:
    """A resource with nothing but the value at the keys, lists where R4 has lists."""
    definition = definitions.structure(resource_type)
    assert definition is not None
    many = {e["path"]: e.get("base", e)["max"] not in ("0", "1") for e in definition["snapshot"]["element"]}
    path = ".".join((resource_type, *keys[:-1]))
    for key in reversed(keys):
        held = [value] if many.get(f"{path}.{key}") else value
        value, path = {key: held}, path.rpartition(".")[0]
    return {"resourceType": resource_type, **value}


@pytest.mark.parametrize("resource_type", sorted(RESOURCE_TYPES))
def test_a_wrong_value_of_any_element_is_refused_by_its_id(resource_type: str) -> None:
    for element_id, keys, _ in places(resource_type):
        broken = nested(resource_type, keys, {"nonsense": [None]})
        assert not R4.accepts(broken), element_id
        found = R4.validate(broken)
        # a complex element refuses the unknown key within it, a primitive or abstract one the object itself
        assert any(i.rule == element_id or "nonsense" in i.path or ".nonsense" in str(i.facts) for i in found), (
            element_id
        )
        null = nested(resource_type, keys, None)
        assert not R4.accepts(null), element_id
        assert element_id in rules(R4.validate(null)), element_id


@pytest.mark.parametrize("resource_type", sorted(RESOURCE_TYPES))
def test_a_list_where_one_belongs_and_one_where_a_list_belongs(resource_type: str) -> None:
    for element_id, keys, many in places(resource_type):
        if len(keys) > 1:
            continue
        broken = {"resourceType": resource_type, keys[0]: "x" if many else ["x"]}
        assert not R4.accepts(broken), element_id
        assert element_id in rules(R4.validate(broken)), element_id


@pytest.mark.parametrize("resource_type", sorted(RESOURCE_TYPES))
def test_every_required_element_is_missed(resource_type: str) -> None:
    definition = definitions.structure(resource_type)
    assert definition is not None
    needed = {
        e["path"] if e["path"].endswith("[x]") else e["id"]
        for e in definition["snapshot"]["element"]
        if e["min"] and e["path"].count(".") == 1
    }
    empty = {"resourceType": resource_type}
    assert needed <= rules(R4.validate(empty))
    assert R4.accepts(empty) is (not rules(R4.validate(empty)))


# ---------------------------------------------------------------------- what the shipped profiles add


def sample(node: Node, code: str | None = None) -> Any:
    """Some value for an element of a profile: fixed where it is fixed, otherwise one of its type."""
    fixed = node.fixed()
    if fixed is not None:
        return fixed[1]
    code = code or (node.types[0]["code"] if node.types else "BackboneElement")
    profiles = node.types[0].get("profile", ()) if node.types else ()
    if code == "Extension" and profiles:
        definition = SHIPPED.definitions.structure(profiles[0])
        assert definition is not None
        return sample(tree(definition, SHIPPED.definitions))
    bound = node.element.get("binding", {})
    codes = sorted(SHIPPED.definitions.value_set(bound["valueSet"]) or ()) if "valueSet" in bound else []
    if code == "Coding" and codes:
        return {"system": codes[0][0], "code": codes[0][1]}
    if code == "CodeableConcept" and codes:
        return {"coding": [{"system": codes[0][0], "code": codes[0][1]}]}
    if code == "code" and codes:
        return codes[0][1]
    if code == "Reference":
        targets = node.types[0].get("targetProfile", ())
        return {"reference": f"{targets[0].rpartition('/')[2] if targets else 'Patient'}/x"}
    if code.startswith("http://hl7.org/fhirpath/System."):
        return "x"
    if code in CONDITIONS:
        text = EXAMPLES.get(code, "x")
        return {"boolean": True, "integer": 1, "positiveInt": 1, "unsignedInt": 1, "decimal": 1}.get(code, text)
    value: Json = {}
    for child in node.children.values():
        if child.element.get("min", 0) or any(s.element.get("min", 0) for s in child.slices.values()):
            put(value, child, None)
    return value or {"id": "x"}


def put(owner: Json, node: Node, slice_: Node | None) -> tuple[Json, str]:
    """Put a sample of an element (or slice) into its owner; the owner and key where it stands."""
    chosen = slice_ or node
    key = node.name
    if node.is_choice:
        code = (chosen.types or node.types)[0]["code"]
        key = node.name[:-3] + code[0].upper() + code[1:]
        owner[key] = sample(chosen, code)
    elif node.many:
        items = owner.setdefault(key, [])
        wanted = [chosen] if slice_ else [s for s in node.slices.values() if s.element.get("min", 0)] or [node]
        items.extend(sample(each) for each in wanted)
    else:
        owner[key] = sample(chosen)
    return owner, key


def built(root: Node, path: list[tuple[Node, Node | None]]) -> list[tuple[Json, str]]:
    """A resource that holds all that a profile requires and everything on the path; where each step stands."""
    resource = sample(root)
    resource.pop("id", None)
    resource = {"resourceType": root.name, **resource}
    steps: list[tuple[Json, str]] = []
    here = resource
    for node, slice_ in path:
        owner, key = here, node.name
        if slice_ is not None:
            here.pop(key, None)
        if key not in here:
            owner, key = put(here, node, slice_)
        steps.append((owner, key))
        inner = owner[key][-1] if isinstance(owner[key], list) else owner[key]
        here = inner if isinstance(inner, dict) else {}
    return [(resource, ""), *steps]


def targets(root: Node) -> Iterator[list[tuple[Node, Node | None]]]:
    """Every element and slice of a profile, as the steps from its root."""
    stack: list[tuple[Node, list[tuple[Node, Node | None]]]] = [(root, [])]
    while stack:
        owner, path = stack.pop()
        for child in owner.children.values():
            yield [*path, (child, None)]
            stack.append((child, [*path, (child, None)]))
            for slice_ in child.slices.values():
                yield [*path, (child, slice_)]
                stack.append((slice_, [*path, (child, slice_)]))


def discriminates(path: list[tuple[Node, Node | None]]) -> bool:
    """True where the element tells its slice from others: broken, the slice is no longer there to complain."""
    return any(slice_ is not None for _, slice_ in path[:-1])


def breakages(path: list[tuple[Node, Node | None]], steps: list[tuple[Json, str]]) -> Iterator[str]:
    """Break the last element of the path in each way that its profile forbids and R4 does not; yields the way."""
    node, slice_ = path[-1]
    target = slice_ or node
    owner, key = steps[-1]
    e, kept = target.element, owner.get(key)
    if e.get("min", 0) > (0 if slice_ else node.base.get("min", 0)) and not discriminates(path):
        owner.pop(key, None)
        yield "missing"
        owner[key] = kept
    if e["max"] == "0" and max_of(node.base) > 0:
        yield "forbidden"
    fixed = target.fixed()
    if fixed is not None and not discriminates(path) and isinstance(fixed[1], str):
        owner[key] = [fixed[1] + "x"] if node.many else fixed[1] + "x"
        yield "fixed"
        owner[key] = kept
    bound, of_base = e.get("binding", {}), node.base.get("binding", {})
    tighter = bound.get("strength") == "required" and bound.get("valueSet") != of_base.get("valueSet")
    if tighter and not discriminates(path) and SHIPPED.definitions.value_set(bound["valueSet"]):
        wrong = {"code": "nothing", "system": "http://example.org/nothing"}
        code = target.types[0]["code"]
        value: Any = {"Coding": wrong, "CodeableConcept": {"coding": [wrong]}}.get(code, "nothing")
        owner[key] = [value] if node.many else value
        yield "binding"
        owner[key] = kept


@pytest.mark.parametrize("name", PROFILES)
def test_every_demand_of_a_shipped_profile_is_enforced_by_its_element_id(name: str) -> None:
    definition = SHIPPED.definitions.structure(indonesia.BASE + name)
    assert definition is not None
    root = tree(definition, SHIPPED.definitions)
    broken = 0
    for path in targets(root):
        target = path[-1][1] or path[-1][0]
        steps = built(root, path)
        resource = steps[0][0]
        before = rules(SHIPPED.validate(resource))
        for way in breakages(path, steps):
            broken += 1
            assert way == "forbidden" or target.element["id"] not in before, (target.element["id"], resource)
            found = rules(SHIPPED.validate(resource))
            assert target.element["id"] in found, (way, target.element["id"], resource, found)
    conditions = [c["key"] for node in root.walk() for c in node.element.get("constraint", ()) if "id-" in c["key"]]
    assert broken or conditions, "the profile demands nothing"
