"""What may be searched: R4's search parameters, and those that a site added for itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from profiles import definitions

from .errors import BadParameter

Definition = Mapping[str, Any]


class Catalogue:
    """The search parameters of one facility at one moment."""

    def __init__(self, own: Sequence[Definition] = ()) -> None:
        self.own = tuple(own)
        self.parsed: dict[str, Any] = {}
        """Type → its parameters as a search understands them (search/syntax.py)."""

    def definitions(self, type: str) -> Mapping[str, Definition]:
        """The SearchParameters of a type by code."""
        own, shipped = self.added(type), definitions.search_parameters(type)
        # a site's parameters never stand in for R4's
        return {p["code"]: p for p in own} | dict(shipped) if own else shipped

    def added(self, type: str) -> Sequence[Definition]:
        """The site's own of a type."""
        return [p for p in self.own if type in p["base"] or "Resource" in p["base"]]


SHIPPED = Catalogue()
KINDS = ("token", "string", "date", "number", "quantity", "reference", "uri", "composite")


def checked(resource: Mapping[str, Any]) -> Definition:
    """What the index needs of a site's SearchParameter. Raises BadParameter where it cannot be used, saying why."""
    name = str(resource.get("url") or resource.get("code") or "SearchParameter")
    wanted = ("url", "code", "type", "base", "expression")
    if missing := [element for element in wanted if element not in resource]:
        raise BadParameter(name, f"has no {' and no '.join(missing)}")
    if resource["type"] not in KINDS:
        raise BadParameter(name, f"is of type {resource['type']!r}, which has no index", KINDS)
    for type in resource["base"]:
        if type not in definitions.RESOURCE_TYPES:
            raise BadParameter(name, f"{type!r} is not a resource type of R4")
        known = definitions.search_parameters(type).get(resource["code"])
        if known is not None and known["url"] != resource["url"]:
            raise BadParameter(name, f"{type} already has a parameter {resource['code']!r} in R4")
    kept = (*wanted, "target", "component")
    return {element: resource[element] for element in kept if element in resource}
