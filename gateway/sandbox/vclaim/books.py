"""What the simulated BPJS has on its books: members, referrals, letters, and the SEPs and referrals it issues."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.seed import Doctor, Letter, Person, Referral, Seed, on, today

REFERRAL_DAYS = 90


@dataclass
class Sep:
    """A SEP: what was asked for, and when the patient went home."""

    no_sep: str
    t_sep: dict[str, Any]
    tgl_pulang: str | None = None

    @property
    def day(self) -> str:
        """tglSep."""
        return str(self.t_sep["tglSep"])


@dataclass
class Books:
    """The state of the simulated BPJS. Deleted SEPs are gone; numbers are never issued twice."""

    seed: Seed
    seps: dict[str, Sep] = field(default_factory=dict)
    onward: dict[str, dict[str, Any]] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for old in self.seed.seps.values():
            t_sep = {
                "noKartu": old.noKartu,
                "tglSep": str(on(old.tglSep)),
                "ppkPelayanan": old.ppkPelayanan,
                "jnsPelayanan": old.jnsPelayanan,
                "klsRawat": {"klsRawatHak": old.klsRawatHak},
                "noMR": old.noMR,
                "diagAwal": old.diagAwal,
                "poli": {"tujuan": old.poli, "eksekutif": "0"},
            }
            self.seps[old.noSep] = Sep(old.noSep, t_sep, str(on(old.tglPulang)) if old.tglPulang else None)

    def member(self, no_kartu: str) -> Person | None:
        """The member with this card."""
        return next((p for p in self.seed.people.values() if p.bpjs and p.bpjs.noKartu == no_kartu), None)

    def doctor(self, dpjp: str) -> Doctor | None:
        """The doctor with this DPJP code."""
        return next((d for d in self.seed.doctors.values() if dpjp and d.dpjp == dpjp), None)

    def facility_name(self, kode: str) -> str:
        """A facility's name, or its code where it has none."""
        return self.seed.facilities[kode].nama if kode in self.seed.facilities else kode

    def level(self, kode: str) -> str:
        """ "1" for a first-level facility, "2" for a hospital."""
        return self.seed.facilities[kode].level if kode in self.seed.facilities else "2"

    def referral(self, number: str) -> Referral | None:
        """The referral with this number."""
        return self.seed.referrals.get(number)

    def letter(self, number: str) -> Letter | None:
        """The control letter or SPRI with this number."""
        return self.seed.letters.get(number)

    def open_stay(self, no_kartu: str) -> Sep | None:
        """A stay of the member that has not ended."""
        return next((s for s in self._of(no_kartu, "1") if s.tgl_pulang is None), None)

    def same_day(self, no_kartu: str, day: str, poli: str) -> Sep | None:
        """An outpatient SEP of the member on that day; an emergency does not stand in a clinic's way, nor it in its."""
        emergency = poli == "IGD"
        mine = (s for s in self._of(no_kartu, "2") if s.day == day)
        return next((s for s in mine if (s.t_sep["poli"]["tujuan"] == "IGD") == emergency), None)

    def on_referral(self, number: str) -> list[Sep]:
        """The SEPs issued on a referral, oldest first."""
        return [s for s in self.seps.values() if s.t_sep.get("rujukan", {}).get("noRujukan") == number]

    def issue(self, t_sep: dict[str, Any]) -> Sep:
        """Issue a SEP."""
        sep = Sep(self.number(t_sep["ppkPelayanan"], t_sep["tglSep"], "V"), t_sep)
        self.seps[sep.no_sep] = sep
        return sep

    def number(self, ppk: str, day: str, letter: str) -> str:
        """The next 19-character document number: ppk 8, MMYY, letter, 6 digits."""
        series = f"{ppk}{day[5:7]}{day[2:4]}{letter}"
        self._last[series] = self._last.get(series, 0) + 1
        return f"{series}{self._last[series]:06d}"

    def _of(self, no_kartu: str, service: str) -> Iterable[Sep]:
        return (s for s in self.seps.values() if s.t_sep["noKartu"] == no_kartu and s.t_sep["jnsPelayanan"] == service)


def valid(referral: Referral, day: str) -> bool:
    """Whether a referral may be used on that day: from its own day, for ninety days."""
    age = (dt.date.fromisoformat(day) - on(referral.tglKunjungan)).days
    return 0 <= age <= REFERRAL_DAYS


def is_future(day: str) -> bool:
    """Whether the day is after today in Jakarta."""
    return dt.date.fromisoformat(day) > today()
