"""The shape that Google's store behind SATUSEHAT insists on: R4's elements, types and minimums, no invariants.

Source: reference satusehat.md §1 (pipeline), §2.0 (three layers), §5 (`unparseable_resource`).
"""

from functools import cache

from gateway.sandbox.satusehat.judge import Refusal, issue
from profiles import Validator
from profiles.fhirjson import Resource


@cache
def _validator() -> Validator:
    return Validator()


def judge_shape(resource: Resource, path: str | None = None) -> None:
    """Raise Refusal where a resource is not parseable as R4; `path` is where it stands in a Bundle."""
    for found in _validator().validate(resource):
        if found.tier == "base" and found.severity in ("error", "fatal") and found.code != "invariant":
            place = f"{path}{found.path[len(resource['resourceType']) :]}" if path else found.path
            raise Refusal(issue("unparseable_resource", "structure", expression=place, diagnostics=found.text("en")))
