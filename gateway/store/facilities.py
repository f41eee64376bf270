"""The facilities of this gateway as the store knows them: slug, number, time zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from gateway.settings import Settings

from .errors import UnknownFacility
from .model import Connection

KNOW = """
insert into facility (slug) select unnest($1::text[]) on conflict (slug) do nothing"""
ALL = "select slug, id from facility"


@dataclass(frozen=True, slots=True)
class Place:
    """One facility: the number that its rows carry, the zone of its dates without an offset, and the addresses below
    which a reference means one of its own resources."""

    slug: str
    number: int
    zone: ZoneInfo
    bases: tuple[str, ...] = ()


class Facilities(Mapping[str, Place]):
    """The configured facilities by slug. Raises UnknownFacility instead of KeyError."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = dict(places)

    @classmethod
    async def of(cls, connection: Connection, settings: Settings) -> "Facilities":
        """Those of the settings; a new one gets its number here and keeps it for ever."""
        await connection.execute(KNOW, [f.slug for f in settings.facilities])
        numbers = {row[0]: row[1] for row in await connection.fetch(ALL)}
        root = settings.public_url or f"http://{settings.host}:{settings.port}"
        default = settings.facilities[0].slug
        places = {}
        for f in settings.facilities:
            bases = (f"{root}/{f.slug}/fhir/", *([f"{root}/fhir/"] if f.slug == default else []))
            places[f.slug] = Place(f.slug, numbers[f.slug], ZoneInfo(f.zone), bases)
        return cls(places)

    def __getitem__(self, slug: str) -> Place:
        try:
            return self._places[slug]
        except KeyError:
            raise UnknownFacility(f"no facility is called {slug!r}") from None

    def __contains__(self, slug: Any) -> bool:
        return slug in self._places

    def __iter__(self) -> Any:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
