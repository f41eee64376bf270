"""What the sandbox knows at the start: YAML files, the shipped ones and those a caller adds.

Every file may hold any of the sections `accounts`, `people`, `doctors`, `poli`, `facilities`, `referrals`, `letters`,
`seps` and `resources` (FHIR resources that SATUSEHAT keeps, each with `owner`: an organisation id). Rows of a later
file are added; one with the key of an earlier row replaces it.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import yaml

SHIPPED = ("accounts.yaml", "people.yaml", "records.yaml", "resources.yaml")
JAKARTA = ZoneInfo("Asia/Jakarta")


class Model(msgspec.Struct, forbid_unknown_fields=True):
    """A row of a seed file: an unknown column is an error that names it."""


class FromToday(Model):
    """A day counted from today, in Jakarta."""

    days: int


Day = dt.date | FromToday


def on(day: Day) -> dt.date:
    """The calendar day that a seed means, in Jakarta."""
    return today() + dt.timedelta(days=day.days) if isinstance(day, FromToday) else day


def today() -> dt.date:
    """Today in Jakarta, where BPJS keeps its calendar."""
    return dt.datetime.now(JAKARTA).date()


class VClaimKeys(Model):
    """One facility's credentials at VClaim."""

    consumer_id: str
    consumer_secret: str
    user_key: str


class SatusehatKeys(Model):
    """One facility's credentials at SATUSEHAT."""

    client_id: str
    client_secret: str


class Account(Model):
    """A hospital that may call both systems."""

    name: str
    kode_faskes: str
    organization_id: str
    vclaim: VClaimKeys
    satusehat: SatusehatKeys


class Membership(Model):
    """A person's membership of BPJS; status "0" is active."""

    noKartu: Annotated[str, msgspec.Meta(pattern=r"^\d{13}$")]
    kelas: str
    jenis: str
    faskes: str
    status: str = "0"
    keterangan: str = "AKTIF"


class Person(Model):
    """Somebody of the civil register."""

    nik: Annotated[str, msgspec.Meta(pattern=r"^\d{16}$")]
    name: str
    sex: str
    birth: dt.date
    ihs: list[str] = []
    bpjs: Membership | None = None


class Doctor(Model):
    """A health worker; `dpjp` and `poli` where BPJS knows the doctor."""

    name: str
    nik: Annotated[str, msgspec.Meta(pattern=r"^\d{16}$")]
    sex: str
    ihs: str
    dpjp: str = ""
    poli: list[str] = []


class Faskes(Model):
    """A facility that BPJS knows; level "1" first level, "2" hospital."""

    kode: str
    nama: str
    level: str


class Referral(Model, rename={"from_": "from"}):
    """A referral into a hospital."""

    noKunjungan: str
    noKartu: str
    from_: str
    to: str
    tglKunjungan: Day
    diagnosa: str
    pelayanan: str
    poli: str
    keluhan: str = ""


class Letter(Model):
    """A control letter (jenis "2") or an admission order, SPRI (jenis "1")."""

    noSurat: str
    jenis: str
    noKartu: str
    dpjp: str
    poli: str
    tglRencanaKontrol: Day
    sep: str = ""


class OldSep(Model):
    """A SEP that was issued before the sandbox started."""

    noSep: str
    noKartu: str
    tglSep: Day
    jnsPelayanan: str
    ppkPelayanan: str
    diagAwal: str
    klsRawatHak: str
    noMR: str
    poli: str = ""
    tglPulang: Day | None = None


class SeedFile(Model):
    """The sections of one file."""

    accounts: list[Account] = []
    people: list[Person] = []
    doctors: list[Doctor] = []
    poli: dict[str, str] = {}
    facilities: list[Faskes] = []
    referrals: list[Referral] = []
    letters: list[Letter] = []
    seps: list[OldSep] = []
    resources: list[dict[str, Any]] = []


@dataclass
class Seed:
    """Everything that the files say, by key."""

    accounts: dict[str, Account] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    doctors: dict[str, Doctor] = field(default_factory=dict)
    poli: dict[str, str] = field(default_factory=dict)
    facilities: dict[str, Faskes] = field(default_factory=dict)
    referrals: dict[str, Referral] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    seps: dict[str, OldSep] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, more: SeedFile) -> None:
        """Add the rows of one file."""
        self.accounts |= {row.kode_faskes: row for row in more.accounts}
        self.people |= {row.nik: row for row in more.people}
        self.doctors |= {row.nik: row for row in more.doctors}
        self.poli |= more.poli
        self.facilities |= {row.kode: row for row in more.facilities}
        self.referrals |= {row.noKunjungan: row for row in more.referrals}
        self.letters |= {row.noSurat: row for row in more.letters}
        self.seps |= {row.noSep: row for row in more.seps}
        self.resources |= {f"{row['resourceType']}/{row['id']}": row for row in more.resources}


def load(extra: Iterable[Path] = ()) -> Seed:
    """Read the shipped files and `extra` ones after them; raise ValueError that names the file and the row."""
    seed = Seed()
    shipped = [(name, files("gateway.sandbox").joinpath("data", name).read_text("utf-8")) for name in SHIPPED]
    for name, text in [*shipped, *((str(path), path.read_text("utf-8")) for path in extra)]:
        raw = yaml.safe_load(text)
        try:
            seed.add(msgspec.convert(raw, SeedFile))
        except (msgspec.ValidationError, KeyError) as error:
            raise ValueError(f"{name}: {error}") from error
    return seed
