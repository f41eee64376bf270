"""The words of a report in both languages, and how its instants, spans and days are written."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from conformance.model import Period

TITLE = "Laporan kepatuhan interoperabilitas / Interoperability conformance report"

WORDS = {
    "visits": "Kunjungan / Visits",
    "complete": "Lengkap / Complete",
    "open": "Dalam proses / Under way",
    "held": "Tertahan, data perlu dilengkapi / Held, data to be completed",
    "parked": "Perlu tindakan petugas / A person must act",
    "local": "Tidak dikirim / Not delivered anywhere",
    "versions": "Versi sumber daya diterima / Resource versions received",
    "versions_judged": "Versi divalidasi / Versions validated",
    "versions_broken": "Versi dengan kesalahan / Versions with errors",
    "sep": "SEP terbit / SEPs issued",
    "remote": "Sumber daya di SATUSEHAT / Resources at SATUSEHAT",
    "requests": "Permintaan terkirim / Requests sent",
    "requests_unanswered": "Permintaan tanpa jawaban / Requests without answer",
    "median": "Median terima → selesai / Median arrival → completion",
    "due": "menunggu / waiting",
    "leased": "sedang dikirim / being sent",
    "done": "selesai / done",
    "cancelled": "batal / cancelled",
    "vclaim": "BPJS VClaim",
    "satusehat": "SATUSEHAT",
}


def word(key: str) -> str:
    """The bilingual word of a key; a key without one stands for itself."""
    return WORDS.get(key, key)


class Clock:
    """Writes instants in the facility's zone, as Indonesian readers expect them: DD-MM-YYYY."""

    def __init__(self, period: Period) -> None:
        self._zone, self._label = ZoneInfo(period.zone), period.zone_label

    def instant(self, moment: datetime | None) -> str:
        """`21-11-2026 10:02:11 WIB`."""
        return f"{moment.astimezone(self._zone):%d-%m-%Y %H:%M:%S} {self._label}" if moment else "–"

    def day(self, when: date) -> str:
        """`21-11-2026`."""
        return f"{when:%d-%m-%Y}"


def span(took: timedelta | None) -> str:
    """`340 ms`, `12,4 s`, `3 min 20 s`, `2 h 5 min`."""
    if took is None:
        return "–"
    seconds = took.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".", ",")
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
