"""JSON Merge Patch on a decoded resource, as fhirpy and Aidbox send it: what is named is replaced, null removes.

Not in R4. The source is not changed. Source: RFC 7396
"""

from typing import Any

from gateway.errors import FhirError
from profiles.fhirjson import Resource


def apply(patch: Any, resource: Resource) -> Resource:
    """The patched copy of `resource`. Raises FhirError GF-305."""
    if not isinstance(patch, dict):
        raise FhirError("GF-305", reason="not an object")
    return _merged(resource, patch)


def _merged(node: Any, patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(node) if isinstance(node, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value) if isinstance(value, dict) else value
    return merged
