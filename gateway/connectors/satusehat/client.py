"""The SATUSEHAT client: one facility's access to the ministry's FHIR service.

Source: reference satusehat.md §1 (transport), §3 (searches), §4 (transactions), §5 (errors).
"""

import copy
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from gateway.connectors.errors import Ambiguous, NotFound, OutcomeUnknown, Refused
from gateway.connectors.outcomes import Answer, unknown
from gateway.connectors.satusehat.rate import Budget, TokenBucket
from gateway.connectors.satusehat.replies import failure, refusal
from gateway.connectors.satusehat.token import AccessToken
from gateway.connectors.wire import Exchange, NoReply, Observer, Wire, nobody
from gateway.settings import SatusehatAccount
from profiles import fhirjson
from profiles.fhirjson import Resource

NIK = "https://fhir.kemkes.go.id/id/nik"
JSON, JSON_PATCH = "application/json", "application/json-patch+json"
MAX_PAGES = 50

_MASKED_TYPES = frozenset({"Patient", "Practitioner"})
_LOCATION = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?$")


class Stored(NamedTuple):
    """Where SATUSEHAT keeps one entry of a transaction."""

    resource_type: str
    id: str


class Satusehat:
    """One facility at SATUSEHAT. Methods return decoded resources or raise a DestinationError.

    `on_exchange` is called once for every request sent (tokens too, without their secrets), before a method returns
    or raises. Requests of one client share its token and its budget of `requests_per_s` (`budget`: one shared wider).
    """

    def __init__(
        self,
        account: SatusehatAccount,
        on_exchange: Observer = nobody,
        *,
        budget: Budget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_exchange = on_exchange
        self._base = account.base_url.rstrip("/")
        self._wire = Wire("satusehat", account.timeout_s)
        self._token = AccessToken(account, self._wire, clock)
        self._budget = budget or TokenBucket(account.requests_per_s, clock)

    def observing(self, on_exchange: Observer) -> Self:
        """This client, same token, budget and connections, with its evidence going to `on_exchange`."""
        other = copy.copy(self)
        other._on_exchange = on_exchange
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        content_type: str = JSON,
    ) -> Resource:
        """Send one request (`path` below the base URL, "" for a transaction) and return the reply.

        A refused token is renewed once and the request repeated. Raises what `replies.yaml` makes of a refusal;
        Unavailable where nothing was done; OutcomeUnknown where a change was sent and no trustworthy answer came.
        """
        url = "/".join(filter(None, (self._base, path.lstrip("/")))) + (f"?{urlencode(params)}" if params else "")
        raw = None if body is None else fhirjson.encode(body)
        changes = method != "GET"
        token = await self._token.get(self._on_exchange)
        exchange = await self._send(method, url, raw, token, content_type)
        if exchange.status == 401:
            token = await self._token.get(self._on_exchange, not_this=token)
            exchange = await self._send(method, url, raw, token, content_type)
        if error := failure(exchange, changes=changes):
            raise error
        return fhirjson.decode(exchange.reply or b"")

    async def find_patient(self, nik: str) -> str:
        """The patient's IHS number. Raises NotFound for nobody and Ambiguous for several: none may be picked."""
        return await self._person("Patient", nik)

    async def find_practitioner(self, nik: str) -> str:
        """The practitioner's id there. Raises NotFound for nobody and Ambiguous for several."""
        return await self._person("Practitioner", nik)

    async def create_patient(self, patient: Resource) -> str:
        """Register a patient and return the IHS number; Duplicate names the one who exists.

        The patient index answers in a form of its own, whose key for the number is spelt in four ways.
        """
        reply = await self.call("POST", "/Patient", patient)
        inner = reply.get("create_patient", reply)
        data = inner.get("data") if isinstance(inner, dict) else None
        numbers = [
            v for k, v in (data or {}).items() if re.sub(r"[^a-z]", "", k.lower()) in ("patientid", "resourceid")
        ]
        if numbers or reply.get("id"):
            return str(numbers[0] if numbers else reply["id"])
        raise OutcomeUnknown("satusehat: a patient was registered, but the reply names no IHS number")

    async def create(self, resource: Resource) -> Resource:
        """Create a resource and return it as stored, with its id. Patients have `create_patient`."""
        return _with_id(await self.call("POST", f"/{resource['resourceType']}", resource))

    async def update(self, resource: Resource) -> Resource:
        """Replace a resource whole (its `id` is SATUSEHAT's) and return it as stored."""
        return _with_id(await self.call("PUT", f"/{resource['resourceType']}/{_part(resource['id'])}", resource))

    async def patch(self, resource_type: str, resource_id: str, operations: Sequence[Mapping[str, Any]]) -> Resource:
        """Apply RFC 6902 operations (add, replace, test, remove) and return the resource as stored."""
        path = f"/{resource_type}/{_part(resource_id)}"
        return _with_id(await self.call("PATCH", path, list(operations), content_type=JSON_PATCH))

    async def read(self, resource_type: str, resource_id: str) -> Resource:
        """Read a resource; NotFound where there is none. People come back masked."""
        return await self.call("GET", f"/{resource_type}/{_part(resource_id)}")

    async def search(self, resource_type: str, params: Mapping[str, str]) -> list[Resource]:
        """All pages of a search. Unknown parameters are ignored there, so check that what came is what was asked.

        Raises Refused with code `suppressed` where rows are withheld: an empty list would say that there are none.
        """
        found: list[Resource] = []
        page: Mapping[str, str] | Sequence[tuple[str, str]] | None = params
        for _ in range(MAX_PAGES):
            bundle = await self.call("GET", f"/{resource_type}", params=page)
            rows = [entry.get("resource") or {} for entry in bundle.get("entry") or ()]
            found += (row for row in rows if row.get("resourceType") == resource_type)
            for row in rows:
                _raise_if_withheld(row)
            page = _next_page(bundle)
            if page is None:
                return found
        raise Refused(f"satusehat: a search of {resource_type} has more than {MAX_PAGES} pages", code="too-costly")

    async def find(self, resource_type: str, system: str, value: str) -> Resource | None:
        """The resource with this identifier, None where there is none, Ambiguous where there are several.

        This is how an unknown outcome is settled: what carries our identifier was stored.
        """
        rows = await self.search(resource_type, {"identifier": f"{system}|{value}"})
        if resource_type not in _MASKED_TYPES:
            rows = [row for row in rows if _carries(row, system, value)]
        if len(rows) > 1:
            ids = [str(row.get("id")) for row in rows]
            raise Ambiguous(f"{len(rows)} {resource_type} carry the identifier {system}|{value}", candidates=ids)
        return rows[0] if rows else None

    async def transaction(self, bundle: Resource) -> list[Stored]:
        """Send a transaction Bundle whole; where its entries are kept, in their order.

        A refused entry's own error is raised where no entry was stored, OutcomeUnknown where some were or the reply
        does not account for all.
        """
        reply = await self.call("POST", "", bundle)
        responses = [entry.get("response") or {} for entry in reply.get("entry") or ()]
        stored = [place for response in responses if (place := _stored(response))]
        if len(stored) == len(responses) == len(bundle["entry"]):
            return stored
        outcomes = (response.get("outcome") for response in responses)
        error = next((e for outcome in outcomes if outcome and (e := refusal(outcome, changes=True))), None)
        if error and not stored:
            raise error
        why = f" ({error.text})" if error else ""
        raise OutcomeUnknown(f"satusehat: {len(stored)} of {len(bundle['entry'])} entries are known to be stored{why}")

    async def _person(self, resource_type: str, nik: str) -> str:
        rows = await self.search(resource_type, {"identifier": f"{NIK}|{nik}"})
        ids = list(dict.fromkeys(str(row["id"]) for row in rows if row.get("id")))
        if not ids:
            raise NotFound(f"SATUSEHAT knows no {resource_type} with this NIK", code="not-found", element="identifier")
        if len(ids) > 1:
            raise Ambiguous(f"SATUSEHAT has {len(ids)} {resource_type} with this NIK", candidates=ids)
        return ids[0]

    async def _send(self, method: str, url: str, body: bytes | None, token: str, content_type: str) -> Exchange:
        await self._budget.take()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        try:
            exchange = await self._wire.send(method, url, headers, body)
        except NoReply as silence:
            self._on_exchange(silence.exchange)
            raise silence.as_error(changes=method != "GET") from silence
        self._on_exchange(exchange)
        return exchange


def _part(value: str) -> str:
    return quote(value, safe="")


def _with_id(reply: Resource) -> Resource:
    if not reply.get("id"):
        raise unknown(Answer("satusehat: success, but the reply names no id", changes=True))
    return reply


def _carries(row: Resource, system: str, value: str) -> bool:
    held = row.get("identifier") or []
    return any(
        i.get("system") == system and i.get("value") == value for i in (held if isinstance(held, list) else [held])
    )


def _raise_if_withheld(row: Resource) -> None:
    for issue in row.get("issue") or () if row.get("resourceType") == "OperationOutcome" else ():
        if issue.get("code") == "suppressed":
            raise Refused((issue.get("details") or {}).get("text") or "suppressed", code="suppressed")


def _next_page(bundle: Resource) -> Sequence[tuple[str, str]] | None:
    # Only its query: behind the gateway the link names the ministry's inner host.
    url = next((link["url"] for link in bundle.get("link") or () if link.get("relation") == "next"), None)
    return None if url is None else parse_qsl(urlsplit(url).query)


def _stored(response: Mapping[str, Any]) -> Stored | None:
    if not str(response.get("status", "")).startswith("2"):
        return None
    place = _LOCATION.search(str(response.get("location", "")))
    resource_type = response.get("resourceType") or (place and place.group(1))
    resource_id = response.get("resourceID") or (place and place.group(2))
    return Stored(str(resource_type), str(resource_id)) if resource_type and resource_id else None
