"""Parameters resources, made and read."""

from typing import Any

import httpx

from tests.fhir.support import Json


def parameters(*rows: Json) -> Json:
    """A Parameters resource of rows as FHIR writes them."""
    return {"resourceType": "Parameters", **({"parameter": list(rows)} if rows else {})}


def row(name: str, **value: Any) -> Json:
    """`row("code", valueCode="a")`"""
    return {"name": name, **value}


def values(answer: httpx.Response) -> dict[str, Any]:
    """name → value of the Parameters that answered; parts become dicts, repeated names lists."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["resourceType"] == "Parameters"
    return _values(found.get("parameter", []))


def _values(rows: list[Json]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in rows:
        value = _values(each["part"]) if "part" in each else next(v for k, v in each.items() if k != "name")
        if each["name"] in found:
            there = found[each["name"]]
            found[each["name"]] = [*(there if isinstance(there, list) else [there]), value]
        else:
            found[each["name"]] = value
    return found
