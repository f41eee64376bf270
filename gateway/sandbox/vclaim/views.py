"""How VClaim writes down what is on its books: the same thing in different words on every page.

Source: reference bpjs.md §3.1 (peserta), §3.3 (SEP insert reply and detail), §3.4 (rujukan).
"""

import datetime as dt
from typing import Any

from gateway.sandbox.seed import Person, Referral, on, today
from gateway.sandbox.vclaim.books import REFERRAL_DAYS, Books, Sep

Json = dict[str, Any]

SERVICE = {"1": ("R.Inap", "Rawat Inap"), "2": ("R.Jalan", "Rawat Jalan")}
SEX = {"L": "Laki-laki", "P": "Perempuan"}
CLASS = {"1": "KELAS I", "2": "KELAS II", "3": "KELAS III"}
REFERRAL_KIND = {"0": "Rujukan Penuh", "1": "Rujukan Partial", "2": "Rujuk Balik PRB"}
PURPOSE = {"0": "Normal", "1": "Prosedur", "2": "Konsul Dokter"}
PROCEDURE = {"0": "Prosedur tidak berkelanjutan", "1": "Prosedur dan terapi berkelanjutan"}
ACCIDENT = {"0": "Bukan Kecelakaan", "1": "KLL dan Bukan KK", "2": "KLL dan KK", "3": "Kecelakaan Kerja"}
ASSESSMENT = {
    "1": "Poli spesialis tidak tersedia pada hari sebelumnya",
    "2": "Jam poli telah berakhir pada hari sebelumnya",
    "3": "Dokter spesialis tidak praktek pada hari sebelumnya",
    "4": "Atas instruksi RS",
    "5": "Tujuan kontrol",
}


def peserta(person: Person, day: dt.date, books: Books) -> Json:
    """A member as `/Peserta` and every referral show one."""
    assert person.bpjs
    member = person.bpjs
    return {
        "cob": {"nmAsuransi": None, "noAsuransi": None, "tglTAT": None, "tglTMT": None},
        "hakKelas": {"keterangan": CLASS[member.kelas], "kode": member.kelas},
        "informasi": {"dinsos": None, "noSKTM": None, "prolanisPRB": None},
        "jenisPeserta": {"keterangan": member.jenis, "kode": "13"},
        "mr": {"noMR": None, "noTelepon": None},
        "nama": person.name,
        "nik": person.nik,
        "noKartu": member.noKartu,
        "pisa": "1",
        "provUmum": {"kdProvider": member.faskes, "nmProvider": books.facility_name(member.faskes)},
        "sex": person.sex,
        "statusPeserta": {"keterangan": member.keterangan, "kode": member.status},
        "tglCetakKartu": "2016-02-12",
        "tglLahir": str(person.birth),
        "tglTAT": f"{person.birth.year + 100}-12-31",
        "tglTMT": "2014-01-01",
        "umur": {"umurSaatPelayanan": _age(person.birth, day), "umurSekarang": _age(person.birth, today())},
    }


def rujukan(referral: Referral, books: Books) -> Json:
    """A referral as `/Rujukan` shows it; `noKunjungan` is its number."""
    day = on(referral.tglKunjungan)
    person = books.member(referral.noKartu)
    return {
        "diagnosa": {"kode": referral.diagnosa, "nama": referral.diagnosa},
        "keluhan": referral.keluhan,
        "noKunjungan": referral.noKunjungan,
        "pelayanan": {"kode": referral.pelayanan, "nama": SERVICE[referral.pelayanan][1]},
        "peserta": peserta(person, day, books) if person else None,
        "poliRujukan": {"kode": referral.poli, "nama": books.seed.poli.get(referral.poli, "")},
        "provPerujuk": {"kode": referral.from_, "nama": books.facility_name(referral.from_)},
        "tglKunjungan": str(day),
    }


def issued(sep: Sep, books: Books) -> Json:
    """A SEP as the reply to its insert shows it."""
    asked = sep.t_sep
    poli = asked["poli"]["tujuan"]
    return {
        "sep": {
            "assestmenPel": asked.get("assesmentPel", ""),
            "catatan": asked.get("catatan", ""),
            "diagnosa": asked["diagAwal"],
            "flagProcedure": asked.get("flagProcedure", ""),
            "informasi": {"dinsos": None, "eSEP": "True", "noSKTM": None, "prolanisPRB": None},
            "jnsPelayanan": SERVICE[asked["jnsPelayanan"]][0],
            "kdPenunjang": asked.get("kdPenunjang", ""),
            "kdPoli": poli,
            "kelasRawat": asked["klsRawat"]["klsRawatHak"] if asked["jnsPelayanan"] == "1" else "-",
            "noRujukan": asked.get("rujukan", {}).get("noRujukan", ""),
            "noSep": sep.no_sep,
            "penjamin": "-",
            "peserta": _short(sep, books, SEX, "-"),
            "poli": books.seed.poli.get(poli, "-"),
            "poliEksekutif": "Ya" if asked["poli"].get("eksekutif") == "1" else "Tidak",
            "tglSep": sep.day,
            "tujuanKunj": asked.get("tujuanKunj", "0"),
        }
    }


def detail(sep: Sep, books: Books) -> Json:
    """A SEP as `GET /SEP/{no}` shows it."""
    asked = sep.t_sep
    dpjp = asked.get("dpjpLayan") or asked.get("skdp", {}).get("kodeDPJP", "")
    doctor = books.doctor(dpjp)
    guarantor = asked.get("jaminan", {}).get("penjamin", {})
    place = guarantor.get("suplesi", {}).get("lokasiLaka", {})
    klass = asked["klsRawat"]
    accident = asked.get("jaminan", {}).get("lakaLantas", "0")
    return {
        "noSep": sep.no_sep,
        "tglSep": sep.day,
        "jnsPelayanan": SERVICE[asked["jnsPelayanan"]][1],
        "kelasRawat": f"Kelas {klass['klsRawatHak']}",
        "diagnosa": asked["diagAwal"],
        "noRujukan": asked.get("rujukan", {}).get("noRujukan", ""),
        "poli": books.seed.poli.get(asked["poli"]["tujuan"], ""),
        "poliEksekutif": asked["poli"].get("eksekutif", "0"),
        "catatan": asked.get("catatan", ""),
        "penjamin": None,
        "kdStatusKecelakaan": accident,
        "nmstatusKecelakaan": ACCIDENT.get(accident, ""),
        "lokasiKejadian": {
            "kdKab": place.get("kdKabupaten") or None,
            "kdKec": place.get("kdKecamatan") or None,
            "kdProp": place.get("kdPropinsi") or None,
            "ketKejadian": guarantor.get("keterangan") or None,
            "lokasi": None,
            "tglKejadian": guarantor.get("tglKejadian") or None,
        },
        "dpjp": {"kdDPJP": dpjp or None, "nmDPJP": doctor.name if doctor else None},
        "peserta": _short(sep, books, {"L": "L", "P": "P"}, None),
        "klsRawat": {
            key: klass.get(key) or None for key in ("klsRawatHak", "klsRawatNaik", "pembiayaan", "penanggungJawab")
        },
        "kontrol": {
            "kdDokter": asked.get("skdp", {}).get("kodeDPJP") or None,
            "nmDokter": doctor.name if doctor else None,
            "noSurat": asked.get("skdp", {}).get("noSurat") or None,
        },
        "cob": asked.get("cob", {}).get("cob", "0"),
        "katarak": asked.get("katarak", {}).get("katarak", "0"),
        "tujuanKunj": _named(asked.get("tujuanKunj", "0"), PURPOSE),
        "flagProcedure": _named(asked.get("flagProcedure", ""), PROCEDURE),
        "kdPenunjang": _named(asked.get("kdPenunjang", ""), {}),
        "assestmenPel": _named(asked.get("assesmentPel", ""), ASSESSMENT),
        "eSEP": "True",
    }


def onward(number: str, t_rujukan: Json, sep: Sep, books: Books) -> Json:
    """A referral to another facility as the reply to its insert shows it."""
    own, to, poli = sep.t_sep["ppkPelayanan"], t_rujukan["ppkDirujuk"], t_rujukan.get("poliRujukan", "")
    until = dt.date.fromisoformat(t_rujukan["tglRujukan"]) + dt.timedelta(days=REFERRAL_DAYS)
    return {
        "rujukan": {
            "AsalRujukan": {"kode": own, "nama": books.facility_name(own)},
            "diagnosa": {"kode": t_rujukan["diagRujukan"], "nama": t_rujukan["diagRujukan"]},
            "noRujukan": number,
            "peserta": _short(sep, books, SEX, "-"),
            "poliTujuan": {"kode": poli, "nama": books.seed.poli.get(poli, "")},
            "tglBerlakuKunjungan": str(until),
            "tglRencanaKunjungan": t_rujukan["tglRencanaKunjungan"],
            "tglRujukan": t_rujukan["tglRujukan"],
            "tujuanRujukan": {"kode": to, "nama": books.facility_name(to)},
        }
    }


def onward_row(number: str, books: Books) -> Json:
    """A referral to another facility as `/Rujukan/Keluar/List` shows it."""
    asked = books.onward[number]
    sep = asked["noSep"]
    person = books.member(books.seps[sep].t_sep["noKartu"]) if sep in books.seps else None
    return {
        "noRujukan": number,
        "tglRujukan": asked["tglRujukan"],
        "jnsPelayanan": asked["jnsPelayanan"],
        "noSep": sep,
        "noKartu": person.bpjs.noKartu if person and person.bpjs else "",
        "nama": person.name if person else "",
        "ppkDirujuk": asked["ppkDirujuk"],
        "namaPpkDirujuk": books.facility_name(asked["ppkDirujuk"]),
    }


def onward_detail(number: str, books: Books) -> Json:
    """A referral to another facility as `/Rujukan/Keluar/{no}` shows it."""
    asked = books.onward[number]
    row = onward_row(number, books)
    sep = books.seps.get(row["noSep"])
    person = books.member(row["noKartu"])
    return row | {
        "kelasRawat": sep.t_sep["klsRawat"]["klsRawatHak"] if sep else "",
        "kelamin": person.sex if person else "",
        "tglLahir": str(person.birth) if person else "",
        "tglSep": sep.day if sep else "",
        "tglRencanaKunjungan": asked["tglRencanaKunjungan"],
        "catatan": asked.get("catatan", ""),
        "diagRujukan": asked["diagRujukan"],
        "namaDiagRujukan": asked["diagRujukan"],
        "tipeRujukan": asked["tipeRujukan"],
        "namaTipeRujukan": REFERRAL_KIND[asked["tipeRujukan"]],
        "poliRujukan": asked.get("poliRujukan", ""),
        "namaPoliRujukan": books.seed.poli.get(asked.get("poliRujukan", ""), ""),
    }


def history(sep: Sep, books: Books) -> Json:
    """A SEP as `/monitoring/HistoriPelayanan` shows it."""
    person = books.member(sep.t_sep["noKartu"])
    return {
        "diagnosa": sep.t_sep["diagAwal"],
        "jnsPelayanan": sep.t_sep["jnsPelayanan"],
        "kelasRawat": sep.t_sep["klsRawat"]["klsRawatHak"],
        "namaPeserta": person.name if person else "",
        "noKartu": sep.t_sep["noKartu"],
        "noSep": sep.no_sep,
        "noRujukan": sep.t_sep.get("rujukan", {}).get("noRujukan", ""),
        "poli": books.seed.poli.get(sep.t_sep["poli"]["tujuan"], ""),
        "ppkPelayanan": books.facility_name(sep.t_sep["ppkPelayanan"]),
        "tglPlgSep": sep.tgl_pulang or sep.day,
        "tglSep": sep.day,
    }


def _short(sep: Sep, books: Books, sexes: dict[str, str], insurance: str | None) -> Json:
    person = books.member(sep.t_sep["noKartu"])
    assert person is not None
    assert person.bpjs is not None
    return {
        "asuransi": insurance,
        "hakKelas": f"Kelas {person.bpjs.kelas}",
        "jnsPeserta": person.bpjs.jenis,
        "kelamin": sexes[person.sex],
        "nama": person.name,
        "noKartu": person.bpjs.noKartu,
        "noMr": sep.t_sep["noMR"],
        "tglLahir": str(person.birth),
    }


def _named(code: str, names: dict[str, str]) -> Json:
    return {"kode": code or "0", "nama": names.get(code, "")}


def _age(birth: dt.date, day: dt.date) -> str:
    months = (day.year - birth.year) * 12 + day.month - birth.month - (day.day < birth.day)
    years, month = birth.year + (birth.month - 1 + months) // 12, (birth.month - 1 + months) % 12 + 1
    last = min(
        birth.day, ((dt.date(years, month, 28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)).day
    )
    return f"{months // 12} tahun ,{months % 12} bulan ,{(day - dt.date(years, month, last)).days} hari"
