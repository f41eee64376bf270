"""Settings: environment variables `GAPURA_…`, an `.env` file, and one YAML file of facilities.

An unknown `GAPURA_…` variable or facility key is an error that names the valid ones: nothing is ignored in silence.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ZONES = {"WIB": "Asia/Jakarta", "WITA": "Asia/Makassar", "WIT": "Asia/Jayapura"}

RESERVED = frozenset({"fhir", "health", "api", "console"})
"""First parts of addresses that no facility may take as its slug."""


class VClaimAccount(BaseModel):
    """Credentials of one facility at BPJS VClaim (reference: TrustMark catalogue, 'Create Signature')."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str = "https://apijkn.bpjs-kesehatan.go.id/vclaim-rest"
    consumer_id: str
    consumer_secret: SecretStr
    user_key: SecretStr
    timeout_s: float = 20.0


class SatusehatAccount(BaseModel):
    """Credentials of one facility at SATUSEHAT (one client id belongs to one Organization)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str = "https://api-satusehat.kemkes.go.id/fhir-r4/v1"
    auth_url: str = "https://api-satusehat.kemkes.go.id/oauth2/v1"
    client_id: str
    client_secret: SecretStr
    timeout_s: float = 30.0
    requests_per_s: float = 5.0


class Facility(BaseModel):
    """One hospital served by this gateway. `slug` is its place in the URL: `/{slug}/fhir`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    slug: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    name: str
    organization_id: str = Field(description="SATUSEHAT Organization id, also the suffix of its identifier systems")
    kode_faskes: str = Field(pattern=r"^[0-9A-Z]{8}$", description="BPJS ppk code")
    time_zone: Literal["WIB", "WITA", "WIT"] = "WIB"
    vclaim: VClaimAccount | None = None
    satusehat: SatusehatAccount | None = None
    mappings: Path | None = Field(
        None, description="folder whose mapping modules and ConceptMaps overlay the shipped ones"
    )
    profiles: Path | None = Field(None, description="folder or package .tgz of StructureDefinitions of the site's own")
    refuse: tuple[Literal["profile", "satusehat"], ...] = Field(
        (), description="tiers whose errors refuse a write; base R4 always does, others only hold the submission"
    )
    require_if_match: bool = Field(False, description="refuse an update, patch or delete by id without If-Match (428)")
    delete_many: bool = Field(
        False, description="let a conditional delete remove all that match, up to a page (else 412)"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="choices that mapping modules name in their heads"
    )

    @field_validator("slug")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"{value!r} is an address of the gateway itself; choose another slug")
        return value

    @property
    def zone(self) -> str:
        """IANA name of the facility's time zone."""
        return ZONES[self.time_zone]


class Settings(BaseSettings):
    """Everything an operator can set. Secrets are `SecretStr`, so they show in no log and no `repr`."""

    model_config = SettingsConfigDict(env_prefix="GAPURA_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(Path(".gapura"), description="data folder: embedded database, evidence, reports")
    database_url: SecretStr | None = Field(None, description="postgresql://… of your own cluster; none: embedded")
    redis_url: SecretStr | None = Field(None, description="redis://…: one rate budget for all processes of one account")
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = Field(
        None, pattern=r"^https?://[^/]+(/[^/]+)*$", description="how callers reach the gateway, where a proxy hides it"
    )
    cors_origins: tuple[str, ...] = Field(
        (), description='JSON list of origins whose pages may call, such as ["https://simrs.example.org"]; ["*"]: any'
    )
    language: Literal["id", "en"] = Field("id", description="of messages to callers that send no Accept-Language")
    access_log: bool = Field(True, description="one JSON line a request on standard output, without patient data")
    facilities_file: Path | None = Field(None, description="YAML: a list of facilities, the first is the default")

    max_body_bytes: int = 20 * 1024 * 1024
    max_json_depth: int = 100
    max_bundle_entries: int = 5_000
    max_page_size: int = 1_000
    default_page_size: int = 50
    request_timeout_s: float = 30.0

    deliver: bool = Field(True, description="`gapura serve` delivers, too; false where `gapura worker` does it all")
    worker_batch: int = 50
    lease_s: float = 60.0
    max_attempts: int = 20
    subscription_hosts: tuple[str, ...] = Field(
        ("localhost", "127.0.0.0/8", "::1/128"),
        description="JSON list of hosts and networks that Subscriptions may notify by http or inside; https to public"
        " addresses always may",
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @cached_property
    def facilities(self) -> tuple[Facility, ...]:
        """The facilities in the order of the file; the first answers at `/fhir`."""
        if self.facilities_file is None:
            return (
                Facility(slug="default", name="Default facility", organization_id="10000004", kode_faskes="0301R011"),
            )
        rows = yaml.safe_load(self.facilities_file.read_text("utf-8"))
        if not isinstance(rows, list) or not rows:
            raise ValueError(f"{self.facilities_file}: expected a YAML list of facilities")
        found = tuple(Facility.model_validate(row) for row in rows)
        slugs = [f.slug for f in found]
        if len(set(slugs)) != len(slugs):
            raise ValueError(f"{self.facilities_file}: a slug is used twice among {slugs}")
        return found


def load() -> Settings:
    """Read the settings; raise ValueError for a `GAPURA_…` variable that does not exist, naming those that do."""
    known = {f"GAPURA_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(k for k in os.environ if k.startswith("GAPURA_") and k.upper() not in known)
    if unknown:
        raise ValueError(f"unknown setting {', '.join(unknown)}; the settings are {', '.join(sorted(known))}")
    return Settings()
