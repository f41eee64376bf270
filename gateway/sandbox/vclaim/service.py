"""The simulated VClaim's routes. Each takes what the path and the body say and returns what the reply encloses.

Paths are matched without regard to case, as IIS does. Source: reference bpjs.md §3.
"""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.seed import Account, today
from gateway.sandbox.vclaim import views
from gateway.sandbox.vclaim.books import Books, Sep, valid
from gateway.sandbox.vclaim.facts import facts
from gateway.sandbox.vclaim.judge import refusal
from gateway.sandbox.vclaim.wire import Refusal

Json = dict[str, Any]

UPDATABLE = frozenset(
    ("klsRawat", "noMR", "catatan", "diagAwal", "poli", "cob", "katarak", "jaminan", "dpjpLayan", "noTelp", "user")
)


@dataclass
class Call:
    """One authenticated request: who asks, the path's parts, and the decoded body (None for GET)."""

    account: Account
    books: Books
    parts: tuple[str, ...]
    body: Any

    def request(self, name: str) -> Json:
        """The object under `request.{name}` of the body."""
        inner = self.body.get("request", {}).get(name) if isinstance(self.body, dict) else None
        if not isinstance(inner, dict):
            raise Refusal(f"Request {name} Tidak Sesuai")
        return inner


def peserta_by_card(call: Call) -> Json:
    """GET /Peserta/nokartu/{noKartu}/tglSEP/{tgl}"""
    person = call.books.member(call.parts[0])
    return _peserta(call, person)


def peserta_by_nik(call: Call) -> Json:
    """GET /Peserta/nik/{nik}/tglSEP/{tgl}"""
    return _peserta(call, call.books.seed.people.get(call.parts[0]))


def _peserta(call: Call, person: Any) -> Json:
    if person is None or person.bpjs is None:
        raise Refusal("Data tidak ditemukan")
    return {"peserta": views.peserta(person, _date(call.parts[1]), call.books)}


def rujukan_by_number(call: Call) -> Json:
    """GET /Rujukan/{no} (first level) and /Rujukan/RS/{no} (hospital)"""
    rs, number = call.parts
    referral = call.books.referral(number)
    if referral is None or call.books.level(referral.from_) != ("2" if rs else "1"):
        raise Refusal("Data Rujukan Tidak Ditemukan.")
    if not valid(referral, str(today())):
        raise Refusal("Masa Berlaku Rujukan Sudah Habis", "202")
    return {"rujukan": views.rujukan(referral, call.books)}


def rujukan_by_card(call: Call) -> Json:
    """GET /Rujukan/[RS/]Peserta/{noKartu}: the newest"""
    return {"rujukan": _referrals(call)[0]}


def rujukan_list(call: Call) -> Json:
    """GET /Rujukan/[RS/]List/Peserta/{noKartu}"""
    return {"rujukan": _referrals(call)}


def _referrals(call: Call) -> list[Json]:
    rs, card = call.parts
    books = call.books
    mine = [
        views.rujukan(r, books)
        for r in books.seed.referrals.values()
        if r.noKartu == card and books.level(r.from_) == ("2" if rs else "1")
    ]
    if not mine:
        raise Refusal("Data Rujukan Tidak Ditemukan.")
    return sorted(mine, key=lambda row: str(row["tglKunjungan"]), reverse=True)


def rujukan_insert(call: Call) -> Json:
    """POST /Rujukan/2.0/insert"""
    asked = call.request("t_rujukan")
    sep = call.books.seps.get(asked.get("noSep", ""))
    if sep is None:
        raise Refusal("Data SEP Tidak Ditemukan")
    if asked.get("ppkDirujuk") not in call.books.seed.facilities:
        raise Refusal("Kode PPK Dirujuk Tidak Sesuai")
    if asked.get("tipeRujukan") not in ("0", "1", "2"):
        raise Refusal("Tipe Rujukan Tidak Sesuai")
    if not asked.get("diagRujukan"):
        raise Refusal("Diagnosa Rujukan Tidak Boleh Kosong")
    if (asked["tipeRujukan"] == "2") is bool(asked.get("poliRujukan")):
        raise Refusal("Poli Rujukan Tidak Sesuai")
    if _date(asked.get("tglRencanaKunjungan", "")) < _date(asked.get("tglRujukan", "")):
        raise Refusal("Tanggal Rencana Kunjungan Tidak Sesuai")
    if any(row["noSep"] == sep.no_sep for row in call.books.onward.values()):
        raise Refusal("Rujukan dengan No.SEP tersebut sudah ada")
    number = call.books.number(call.account.kode_faskes, asked["tglRujukan"], "B")
    call.books.onward[number] = asked
    return views.onward(number, asked, sep, call.books)


def rujukan_delete(call: Call) -> str:
    """DELETE /Rujukan/delete"""
    number = str(call.request("t_rujukan").get("noRujukan", ""))
    if number not in call.books.onward or not _own(call, number):
        raise Refusal("Data Rujukan Tidak Ditemukan.")
    del call.books.onward[number]
    return number


def onward_list(call: Call) -> Json:
    """GET /Rujukan/Keluar/List/tglMulai/{tgl}/tglAkhir/{tgl}"""
    first, last = call.parts
    mine = (n for n, asked in call.books.onward.items() if first <= asked["tglRujukan"] <= last and _own(call, n))
    return {"list": _found(views.onward_row(number, call.books) for number in mine)}


def onward_detail(call: Call) -> Json:
    """GET /Rujukan/Keluar/{noRujukan}"""
    number = call.parts[0]
    if number not in call.books.onward or not _own(call, number):
        raise Refusal("Data Rujukan Tidak Ditemukan.")
    return {"rujukan": views.onward_detail(number, call.books)}


def rujukan_count(call: Call) -> Json:
    """GET /Rujukan/JumlahSEP/{1|2}/{noRujukan}"""
    return {"jumlahSEP": str(len(call.books.on_referral(call.parts[1])))}


def last_sep(call: Call) -> Json:
    """GET /Rujukan/lastsep/norujukan/{noRujukan}"""
    found = call.books.on_referral(call.parts[0])
    if not found:
        raise Refusal("Data tidak ditemukan")
    return views.detail(found[-1], call.books)


def sep_insert(call: Call) -> Json:
    """POST /SEP/2.0/insert"""
    asked = call.request("t_sep")
    if text := refusal(facts(asked, call.account.kode_faskes, call.books)):
        raise Refusal(text)
    return views.issued(call.books.issue(asked), call.books)


def sep_update(call: Call) -> str:
    """PUT /SEP/2.0/update"""
    asked = call.request("t_sep")
    sep = _sep(call, asked.get("noSep", ""))
    fixed = sorted(set(asked) - {"noSep", *UPDATABLE})
    if fixed:
        raise Refusal(f"{', '.join(fixed)} Tidak Dapat Diubah")
    if not asked.get("diagAwal", sep.t_sep["diagAwal"]):
        raise Refusal("Diagnosa Awal Tidak Boleh Kosong")
    sep.t_sep |= {key: value for key, value in asked.items() if key in UPDATABLE}
    return sep.no_sep


def sep_delete(call: Call) -> str:
    """DELETE /SEP/2.0/delete"""
    sep = _sep(call, call.request("t_sep").get("noSep", ""))
    del call.books.seps[sep.no_sep]
    return sep.no_sep


def sep_discharge(call: Call) -> None:
    """PUT /SEP/2.0/updtglplg"""
    asked = call.request("t_sep")
    sep = _sep(call, asked.get("noSep", ""))
    if asked.get("statusPulang") not in ("1", "3", "4", "5"):
        raise Refusal("Status Pulang Tidak Sesuai")
    if str(_date(asked.get("tglPulang", ""))) < sep.day:
        raise Refusal("Tanggal Pulang Tidak Sesuai")
    sep.tgl_pulang = asked["tglPulang"]


def sep_detail(call: Call) -> Json:
    """GET /SEP/{noSep}"""
    return views.detail(_sep(call, call.parts[0]), call.books)


def sep_history(call: Call) -> Json:
    """GET /monitoring/HistoriPelayanan/NoKartu/{noKartu}/tglMulai/{tgl}/tglAkhir/{tgl}"""
    card, first, last = call.parts
    found = [s for s in call.books.seps.values() if s.t_sep["noKartu"] == card and first <= s.day <= last]
    if not found:
        raise Refusal("Data tidak ditemukan")
    return {"histori": [views.history(sep, call.books) for sep in found]}


def poli(call: Call) -> Json:
    """GET /referensi/poli/{kode or nama}"""
    wanted = call.parts[0].upper()
    return {
        "poli": _found(
            {"kode": k, "nama": n} for k, n in call.books.seed.poli.items() if wanted in (k, n) or wanted in n
        )
    }


def facility(call: Call) -> Json:
    """GET /referensi/faskes/{nama or kode}/{1|2}"""
    wanted, level = call.parts[0].upper(), call.parts[1]
    rows = (
        f for f in call.books.seed.facilities.values() if f.level == level and (wanted == f.kode or wanted in f.nama)
    )
    return {"faskes": _found({"kode": f.kode, "nama": f.nama} for f in rows)}


def doctor(call: Call) -> Json:
    """GET /referensi/dokter/pelayanan/{1|2}/tglPelayanan/{tgl}/Spesialis/{poli}"""
    rows = (d for d in call.books.seed.doctors.values() if call.parts[2].upper() in d.poli)
    return {"list": _found({"kode": d.dpjp, "nama": d.name} for d in rows)}


def _found(rows: Any) -> list[Json]:
    found = list(rows)
    if not found:
        raise Refusal("Data tidak ditemukan")
    return found


def _own(call: Call, number: str) -> bool:
    return number.startswith(call.account.kode_faskes)


def _sep(call: Call, number: str) -> Sep:
    sep = call.books.seps.get(number)
    if sep is None or sep.t_sep["ppkPelayanan"] != call.account.kode_faskes:
        raise Refusal("Data tidak ditemukan")
    return sep


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Refusal("Format Tanggal Tidak Sesuai") from None


@dataclass(frozen=True)
class Route:
    """One operation; `plain` replies are not encrypted."""

    method: str
    pattern: re.Pattern[str]
    handler: Callable[[Call], Any]
    plain: bool = False
    message: str = "OK"


def _route(method: str, path: str, handler: Callable[[Call], Any], **more: Any) -> Route:
    pattern = path.replace("{rs}", "((?:RS/)?)").replace("{}", "([^/]+)")
    return Route(method, re.compile(pattern, re.IGNORECASE), handler, **more)


ROUTES = (
    _route("GET", "/Peserta/nokartu/{}/tglSEP/{}", peserta_by_card),
    _route("GET", "/Peserta/nik/{}/tglSEP/{}", peserta_by_nik),
    _route("GET", "/Rujukan/lastsep/norujukan/{}", last_sep, message="Sukses"),
    _route("GET", "/Rujukan/JumlahSEP/{}/{}", rujukan_count),
    _route("GET", "/Rujukan/Keluar/List/tglMulai/{}/tglAkhir/{}", onward_list, message="Sukses"),
    _route("GET", "/Rujukan/Keluar/{}", onward_detail, message="Sukses"),
    _route("GET", "/Rujukan/{rs}List/Peserta/{}", rujukan_list),
    _route("GET", "/Rujukan/{rs}Peserta/{}", rujukan_by_card),
    _route("GET", "/Rujukan/{rs}{}", rujukan_by_number),
    _route("POST", "/Rujukan/2.0/insert", rujukan_insert),
    _route("DELETE", "/Rujukan/delete", rujukan_delete),
    _route("POST", "/SEP/2.0/insert", sep_insert, message="Sukses"),
    _route("PUT", "/SEP/2.0/update", sep_update, message="Sukses"),
    _route("PUT", "/SEP/2.0/updtglplg", sep_discharge),
    _route("DELETE", "/SEP/2.0/delete", sep_delete, plain=True),
    _route("GET", "/SEP/{}", sep_detail, message="Sukses"),
    _route("GET", "/monitoring/HistoriPelayanan/NoKartu/{}/tglMulai/{}/tglAkhir/{}", sep_history),
    _route("GET", "/referensi/poli/{}", poli),
    _route("GET", "/referensi/faskes/{}/{}", facility),
    _route("GET", "/referensi/dokter/pelayanan/{}/tglPelayanan/{}/Spesialis/{}", doctor),
)
