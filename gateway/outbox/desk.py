"""What every delivery needs: the facility's accounts at the destinations, and the visit as mapping modules see it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import uuid5

import mappings
from gateway.connectors.errors import Held, Misconfigured
from gateway.connectors.satusehat import Satusehat, SharedBucket, shared
from gateway.connectors.vclaim import VClaim
from gateway.outbox.attempt import Attempt, NotReady
from gateway.outbox.plan import Plans
from gateway.outbox.reasons import reason
from gateway.settings import Facility, SatusehatAccount, Settings
from gateway.store import Gone, NotFound, Store
from mappings.run import LOCAL_IDS
from profiles import fhirjson
from profiles.fhirjson import Resource


@dataclass(frozen=True)
class Visit:
    """A visit Bundle on its way to a destination; `remote` is the crosswalk of its resources there."""

    facility: Facility
    reference: str
    bundle: Resource
    remote: Mapping[str, str]
    now: datetime

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """The visit's resources by `Type/id`."""
        found = (entry["resource"] for entry in self.bundle.get("entry", ()))
        return {f"{r['resourceType']}/{r['id']}": r for r in found}

    def at_destination(self) -> dict[str, Resource]:
        """The visit's resources that the destination has, by their `Type/id` there."""
        return {there: self.resources[local] for local, there in self.remote.items() if local in self.resources}

    def stable_ids(self) -> dict[str, str]:
        """The uuid that stands for each resource of the visit in every send."""
        org = self.facility.organization_id
        return {local: str(uuid5(LOCAL_IDS, f"{org}/{local}")) for local in self.resources}

    def context(self, focus: str | None = None) -> dict[str, Any]:
        """The context of a mapping module's call."""
        return {
            "facility": {
                "organization_id": self.facility.organization_id,
                "kode_faskes": self.facility.kode_faskes,
                "zone": self.facility.zone,
                "options": self.facility.options,
            },
            "crosswalk": self._remote_id,
            "now": self.now.isoformat(timespec="milliseconds"),
            "focus": focus,
        }

    def _remote_id(self, local: str) -> str | None:
        known = self.remote.get(local)
        return known.rpartition("/")[2] if known else None


class Desk:
    """The gateway's accounts, one client each, opened when first needed."""

    def __init__(self, store: Store, settings: Settings, plans: Plans) -> None:
        self.store, self.plans = store, plans
        self._facilities = {facility.slug: facility for facility in settings.facilities}
        self._vclaim: dict[str, VClaim] = {}
        self._satusehat: dict[str, Satusehat] = {}
        url = settings.redis_url
        self._redis = shared(url.get_secret_value()) if url else None

    async def close(self) -> None:
        """Close the clients' connections."""
        for vclaim in self._vclaim.values():
            await vclaim.close()
        for satusehat in self._satusehat.values():
            await satusehat.close()
        if self._redis:
            await self._redis.aclose()

    def facility(self, slug: str) -> Facility:
        """The facility's settings. Raises Misconfigured for one that the settings have no more."""
        if slug not in self._facilities:
            raise Misconfigured(f"the settings name no facility {slug!r}")
        return self._facilities[slug]

    def vclaim(self, attempt: Attempt) -> VClaim:
        """The facility's VClaim client, leaving its evidence with the attempt. Raises Misconfigured without account."""
        account = self.facility(attempt.row.facility).vclaim
        if account is None:
            raise Misconfigured(reason("unconfigured", "vclaim").en)
        client = self._vclaim.get(attempt.row.facility) or VClaim(account)
        return self._vclaim.setdefault(attempt.row.facility, client).observing(attempt.observe)

    def satusehat(self, attempt: Attempt) -> Satusehat:
        """The facility's SATUSEHAT client, likewise."""
        account = self.facility(attempt.row.facility).satusehat
        if account is None:
            raise Misconfigured(reason("unconfigured", "satusehat").en)
        client = self._satusehat.get(attempt.row.facility) or Satusehat(account, budget=self._budget(account))
        return self._satusehat.setdefault(attempt.row.facility, client).observing(attempt.observe)

    def _budget(self, account: SatusehatAccount) -> SharedBucket | None:
        if self._redis is None:
            return None
        return SharedBucket(self._redis, f"{account.base_url} {account.client_id}", account.requests_per_s)

    async def visit(self, attempt: Attempt) -> Visit:
        """The visit as it is now. Raises Held where its Encounter is not there."""
        row = attempt.row
        attempt.watches = frozenset({row.visit, row.source})
        now = datetime.now(UTC)  # before it is read: what is written from now on is newer than what will be sent
        try:
            bundle = await self.store.visit(row.facility, row.visit.partition("/")[2])
        except (NotFound, Gone) as error:
            raise Held(f"{row.visit} ({error})") from error
        visit = Visit(self.facility(row.facility), row.visit, bundle, {}, now)
        attempt.watches |= visit.resources.keys() | frozenset(_references(bundle))
        remote = await self.store.remote(row.facility, row.destination, sorted(attempt.watches))
        return replace(visit, remote=remote)


def product(step: mappings.Step, visit: Visit, focus: str | None) -> dict[str, Any]:
    """The payload. Raises NotReady with what is missing, or with what the target's schema says against it."""
    try:
        made = step(visit.bundle, **visit.context(focus))
    except mappings.Held as held:
        raise NotReady("missing", issues(held.reasons)) from held
    if wrong := step.check(made):
        raise NotReady("rules", issues(wrong))
    return made


def issues(reasons: Any) -> tuple[dict[str, Any], ...]:
    """Reasons of a mapping module as JSON."""
    return tuple({"key": r.key, "path": r.path, "id": r.id, "en": r.en, "value": r.value} for r in reasons)


def digest(content: Any) -> bytes:
    """SHA-256 of a payload's JSON."""
    return hashlib.sha256(fhirjson.encode(content)).digest()


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if isinstance(reference := value.get("reference"), str) and "/" in reference:
            yield "/".join(reference.partition("/_history/")[0].split("/")[-2:])
        for item in value.values():
            yield from _references(item)
