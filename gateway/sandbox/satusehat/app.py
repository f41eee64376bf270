"""The simulated SATUSEHAT on the wire: OAuth2 and FHIR. Source: reference satusehat.md §1."""

from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from gateway.errors import FhirError
from gateway.fhir import jsonpatch
from gateway.sandbox.satusehat import patients, searches, transaction
from gateway.sandbox.satusehat.judge import Refusal, issue, judge, judge_duplicate, judge_patch, judge_references
from gateway.sandbox.satusehat.shape import judge_shape
from gateway.sandbox.seed import Account
from gateway.sandbox.state import State
from profiles import fhirjson
from profiles.definitions import RESOURCE_TYPES
from profiles.fhirjson import Resource

FHIR, OAUTH = "/fhir-r4/v1", "/oauth2/v1"
JSON_TYPES = ("application/json", "application/fhir+json")


async def token(request: Request, state: State) -> Response:
    """POST /oauth2/v1/accesstoken?grant_type=client_credentials"""
    if request.method != "POST" or request.url.path != f"{OAUTH}/accesstoken":
        return _proxy_page(404)
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    given = tuple(form.get(name, [""])[0] for name in ("client_id", "client_secret"))
    if request.query_params.get("grant_type") != "client_credentials":
        return JSONResponse({"ErrorCode": "invalid_request", "Error": "Required param : grant_type"}, 400)
    for account in state.seed.accounts.values():
        if given == (account.satusehat.client_id, account.satusehat.client_secret):
            return JSONResponse(state.tokens.issue(account))
    return JSONResponse({"ErrorCode": "invalid_client", "Error": "ClientId is Invalid"}, 401)


async def fhir(request: Request, state: State) -> Response:
    """Everything below `/fhir-r4/v1`."""
    parts = [part for part in request.url.path.removeprefix(FHIR).split("/") if part]
    if request.method == "GET" and parts == ["metadata"]:
        return JSONResponse({"resourceType": "CapabilityStatement", "status": "active", "fhirVersion": "4.0.1"})
    owner = state.tokens.owner(request.headers.get("authorization", ""))
    if isinstance(owner, str):
        words = "Access Token expired" if owner.endswith("expired") else "Invalid access token"
        return JSONResponse({"fault": {"faultstring": words, "detail": {"errorcode": owner}}}, 401)
    if len(parts) > 2 or (parts and parts[0] not in RESOURCE_TYPES):
        return _proxy_page(404)
    desk = _Desk(request, state, owner)
    try:
        return await desk.serve(parts)
    except Refusal as refusal:
        return JSONResponse(refusal.body(), refusal.status)


class _Desk:
    """Serves one authenticated request."""

    def __init__(self, request: Request, state: State, account: Account) -> None:
        self._request, self._shelf, self._seed, self._account = request, state.shelf, state.seed, account
        self._org = account.organization_id
        self._base = f"{request.url.scheme}://{request.url.netloc}{FHIR}"

    async def serve(self, parts: list[str]) -> Response:
        match self._request.method, parts:
            case "GET", [kind]:
                params = dict(self._request.query_params)
                rows = searches.found(kind, params, self._shelf, self._org)
                return self._reply(searches.bundle(kind, rows, params, self._base))
            case "GET", [kind, resource_id]:
                return self._read(kind, resource_id)
            case "POST", []:
                bundle = await self._body()
                return self._reply(transaction.perform(bundle, self._shelf, self._org, self._base))
            case "POST", [kind]:
                return self._create(kind, await self._body())
            case "PUT", [kind, resource_id]:
                return self._update(kind, resource_id, await self._body())
            case "PATCH", [kind, resource_id]:
                return self._patch(kind, resource_id, await self._operations())
        return _proxy_page(405)

    def _read(self, kind: str, resource_id: str) -> Response:
        kept = self._shelf.get(kind, resource_id)
        if kept is None or kept.owner not in ("", self._org):
            text = f"resource not found: {kind}/{resource_id}"
            raise Refusal(issue("storage_error", "no-store", diagnostics=text), status=404)
        return self._reply(patients.masked_read(kept.resource) if kind == "Patient" else kept.resource)

    def _create(self, kind: str, resource: Resource) -> Response:
        if resource.get("resourceType") != kind:
            raise Refusal(issue("unparseable_resource", "structure", diagnostics=f"expected a {kind}"))
        judge(resource, self._org)
        judge_shape(resource)
        if kind == "Patient":
            return JSONResponse(patients.register(resource, self._seed, self._shelf))
        judge_references(resource, self._shelf, self._org, {})
        judge_duplicate(resource, self._shelf)
        return self._reply(self._shelf.put(resource, self._org), 201)

    def _update(self, kind: str, resource_id: str, resource: Resource) -> Response:
        self._mine(kind, resource_id)
        if kind == "Patient":
            raise Refusal(issue("Organization not allowed to edit Patient (RuleNumber: 20016)"))
        if resource.get("id") != resource_id:
            raise transaction.mismatch(resource_id, resource.get("id"))
        judge(resource, self._org)
        judge_shape(resource)
        judge_references(resource, self._shelf, self._org, {})
        return self._reply(self._shelf.put(resource, self._org, resource_id))

    def _patch(self, kind: str, resource_id: str, operations: list[dict[str, Any]]) -> Response:
        current = self._mine(kind, resource_id)
        touched = [str(o.get("path", "")) for o in operations if o.get("op") != "test"]
        if kind == "Patient" and not all(path.startswith("/address/1") for path in touched):
            raise Refusal(issue("Organization not allowed to edit Patient (RuleNumber: 20016)"))
        judge_patch(kind, operations, self._org)
        try:
            patched = jsonpatch.apply(operations, current)
        except FhirError as error:
            raise Refusal(issue("invalid_patch", "structure", diagnostics=str(error))) from None
        judge(patched, self._org)
        judge_shape(patched)
        judge_references(patched, self._shelf, self._org, {})
        return self._reply(self._shelf.put(patched, self._org, resource_id))

    def _mine(self, kind: str, resource_id: str) -> Resource:
        kept = self._shelf.get(kind, resource_id)
        if kept is None or kept.owner not in ("", self._org):
            text = f"Resource not found {kind}/{resource_id} (RuleNumber: 20007)"
            raise Refusal(issue(text, "not-found"), status=404)
        return kept.resource

    async def _body(self) -> Resource:
        self._check_type(JSON_TYPES)
        try:
            return fhirjson.decode(await self._request.body())
        except fhirjson.FhirJsonError as error:
            text = f"Invalid JSON Payload Format (RuleNumber: 20006): {error}"
            raise Refusal(issue(text, "structure")) from None

    async def _operations(self) -> list[dict[str, Any]]:
        self._check_type(("application/json-patch+json",))
        wrapped = fhirjson.decode(b'{"operations":' + await self._request.body() + b"}")
        operations = wrapped["operations"]
        if not isinstance(operations, list) or not all(isinstance(o, dict) for o in operations):
            raise Refusal(issue("invalid_patch", "structure", diagnostics="expected an array of operations"))
        return operations

    def _check_type(self, allowed: tuple[str, ...]) -> None:
        given = self._request.headers.get("content-type", "").split(";")[0].strip().lower()
        if given not in allowed:
            text = f"invalid Content-Type header, must be {allowed[0]}"
            raise Refusal(issue("invalid_headers", "structure", diagnostics=text))

    def _reply(self, body: Resource, status: int = 200) -> Response:
        headers = {}
        if meta := body.get("meta"):
            place = f"{self._base}/{body['resourceType']}/{body['id']}/_history/{meta['versionId']}"
            headers = {"ETag": f'W/"{meta["versionId"]}"', "Location": place}
        return Response(fhirjson.encode(body), status, headers, "application/json")


def _proxy_page(status: int) -> Response:
    return HTMLResponse(f"<!doctype html><title>{status}</title>{status} Not available here", status)
