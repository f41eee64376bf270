"""Links between the entries of a Bundle, and what they become once every entry has its id.

Source: https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references
"""

from collections.abc import Iterable

from gateway.errors import FhirError
from gateway.fhir.references import parts, rewritten
from profiles.fhirjson import Resource

PLACEHOLDERS = ("urn:uuid:", "urn:oid:")


class Links:
    """`targets` are (fullUrl, Type/id) of the entries.

    `conditional` maps a conditional reference to what it met; the transaction fills it.
    """

    def __init__(self, targets: Iterable[tuple[str, str]]) -> None:
        self._full: dict[str, str] = {}
        self._relative: dict[tuple[str, str], str] = {}
        self.conditional: dict[str, str] = {}
        for full_url, target in targets:
            self._full[full_url] = target
            if found := parts(full_url):
                origin, kind, identity = found
                self._relative[origin, f"{kind}/{identity}"] = target

    def resolved(self, resource: Resource, full_url: str) -> Resource:
        """A copy of the resource with every link to an entry replaced by what was stored.

        Raises FhirError GF-507 for a placeholder that is no entry's fullUrl.
        """
        own = parts(full_url) if full_url else None
        origin = own[0] if own else None

        def rewrite(reference: str) -> str:
            target = self._full.get(reference) or self.conditional.get(reference)
            if target is None and origin is not None:
                target = self._relative.get((origin, reference))
            if target is not None:
                return target
            if reference.startswith(PLACEHOLDERS):
                raise FhirError("GF-507", reference=reference)
            return reference

        return rewritten(resource, rewrite, self._full)
