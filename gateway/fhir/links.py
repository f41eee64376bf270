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

    `conditional` maps a conditional reference to what it met, `created` are the targets that begin with version 1; the
    transaction fills both.
    """

    def __init__(self, targets: Iterable[tuple[str, str]]) -> None:
        self._full: dict[str, str] = {}
        self._relative: dict[tuple[str, str], str] = {}
        self.conditional: dict[str, str] = {}
        self.created: set[str] = set()
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

        def target(reference: str) -> str | None:
            found = self._full.get(reference) or self.conditional.get(reference)
            return self._relative.get((origin, reference)) if found is None and origin is not None else found

        def rewrite(reference: str) -> str:
            found = target(reference)
            if found is not None:
                return found
            unversioned, mark, version = reference.partition("/_history/")
            if mark and (found := target(unversioned)) is not None:
                return f"{found}/_history/{1 if found in self.created else version}"
            if reference.startswith(PLACEHOLDERS):
                raise FhirError("GF-507", reference=reference)
            return reference

        return rewritten(resource, rewrite, self._full)
