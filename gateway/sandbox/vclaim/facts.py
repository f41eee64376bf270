"""The facts that a SEP insert is judged by: the request's own fields, and what the books say about them."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from gateway.sandbox.seed import on
from gateway.sandbox.vclaim.books import Books, Sep, is_future, valid


def facts(t_sep: dict[str, Any], ppk: str, books: Books) -> dict[str, str]:
    """Every fact by name; what is not known is absent and counts as empty."""
    asked = dict(_leaves(t_sep))
    card, day = asked.get("noKartu", ""), asked.get("tglSep", "")
    found = asked | {"own.ppk": ppk, "own.future": "1" if _is_date(day) and is_future(day) else "0"}
    member = books.member(card)
    if member and member.bpjs:
        found |= {
            "member.noKartu": member.bpjs.noKartu,
            "member.kelas": member.bpjs.kelas,
            "member.status": member.bpjs.status,
            "member.keterangan": member.bpjs.keterangan,
        }
    found |= _referral(asked, books) | _letter(asked, books) | _doctor(asked, books)
    found["poli.nama"] = books.seed.poli.get(asked.get("poli.tujuan", ""), "")
    if stay := books.open_stay(card):
        found |= _about("open_stay", stay, books)
        found["open_stay.tgl"] = dt.date.fromisoformat(stay.day).strftime("%d/%m/%Y")
    if other := books.same_day(card, day, asked.get("poli.tujuan", "")):
        found |= _about("same_day", other, books)
    found["kind"] = _kind(found, books)
    return found


def _kind(found: dict[str, str], books: Books) -> str:
    if found.get("jnsPelayanan") == "1":
        return "inpatient"
    if found.get("poli.tujuan") == "IGD":
        return "emergency"
    if found.get("poli.tujuan") == "HDL":
        return "haemodialysis"
    if found.get("rujukan.noRujukan", "") in books.seps:
        return "post-inpatient"
    return "control" if found.get("skdp.noSurat") else "referral"


def _referral(asked: dict[str, str], books: Books) -> dict[str, str]:
    number = asked.get("rujukan.noRujukan", "")
    referral = books.referral(number)
    known = {"rujukan.is_known": "1" if referral or books.letter(number) else "0"}
    if referral is None:
        return known
    day = asked.get("tglSep", "")
    return known | {
        "referral.noKunjungan": referral.noKunjungan,
        "referral.noKartu": referral.noKartu,
        "referral.from": referral.from_,
        "referral.to": referral.to,
        "referral.level": books.level(referral.from_),
        "referral.tglKunjungan": str(on(referral.tglKunjungan)),
        "referral.poli": referral.poli,
        "referral.valid": "1" if _is_date(day) and valid(referral, day) else "0",
    }


def _letter(asked: dict[str, str], books: Books) -> dict[str, str]:
    letter = books.letter(asked.get("skdp.noSurat", ""))
    if letter is None:
        return {}
    stay = books.seps.get(letter.sep)
    return {
        "letter.noSurat": letter.noSurat,
        "letter.noKartu": letter.noKartu,
        "letter.jenis": letter.jenis,
        "letter.dpjp": letter.dpjp,
        "letter.stay": letter.sep if stay and stay.t_sep["jnsPelayanan"] == "1" else "",
    }


def _doctor(asked: dict[str, str], books: Books) -> dict[str, str]:
    doctor = books.doctor(asked.get("dpjpLayan", ""))
    if doctor is None:
        return {}
    return {"doctor.dpjp": doctor.dpjp, "doctor.practises": "1" if asked.get("poli.tujuan") in doctor.poli else "0"}


def _about(name: str, sep: Sep, books: Books) -> dict[str, str]:
    return {
        f"{name}.noSep": sep.no_sep,
        f"{name}.poli": sep.t_sep["poli"]["tujuan"],
        f"{name}.rs": books.facility_name(sep.t_sep["ppkPelayanan"]),
    }


def _leaves(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _leaves(inner, f"{path}{key}.")
        elif isinstance(inner, str):
            yield f"{path}{key}", inner


def _is_date(text: str) -> bool:
    try:
        return bool(dt.date.fromisoformat(text))
    except ValueError:
        return False
