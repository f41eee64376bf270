"""SEP requests that the sandbox's people would make."""

import datetime as dt
from typing import Any

from gateway.sandbox.seed import today

Json = dict[str, Any]


def day(offset: int = 0) -> str:
    """So many days from today, in Jakarta."""
    return str(today() + dt.timedelta(days=offset))


def sep(**changes: Any) -> Json:
    """A whole insert body that BPJS accepts: Sri Wahyuni comes to internal medicine on her referral.

    `changes` are fields of t_sep; `rujukan__noRujukan="…"` reaches into a part.
    """
    t_sep: Json = {
        "noKartu": "0001137150385",
        "tglSep": day(),
        "ppkPelayanan": "0301R011",
        "jnsPelayanan": "2",
        "klsRawat": {"klsRawatHak": "2", "klsRawatNaik": "", "pembiayaan": "", "penanggungJawab": ""},
        "noMR": "RM-000150",
        "rujukan": {
            "asalRujukan": "1",
            "tglRujukan": day(-5),
            "noRujukan": "030107011126P000001",
            "ppkRujukan": "03010701",
        },
        "catatan": "",
        "diagAwal": "E11.9",
        "poli": {"tujuan": "INT", "eksekutif": "0"},
        "cob": {"cob": "0"},
        "katarak": {"katarak": "0"},
        "jaminan": {
            "lakaLantas": "0",
            "noLP": "",
            "penjamin": {
                "tglKejadian": "",
                "keterangan": "",
                "suplesi": {
                    "suplesi": "0",
                    "noSepSuplesi": "",
                    "lokasiLaka": {"kdPropinsi": "", "kdKabupaten": "", "kdKecamatan": ""},
                },
            },
        },
        "tujuanKunj": "0",
        "flagProcedure": "",
        "kdPenunjang": "",
        "assesmentPel": "",
        "skdp": {"noSurat": "", "kodeDPJP": ""},
        "dpjpLayan": "31574",
        "noTelp": "081200001111",
        "user": "Loket 1",
    }
    for name, value in changes.items():
        *parts, last = name.split("__")
        place = t_sep
        for part in parts:
            place = place[part]
        place[last] = value
    return {"request": {"t_sep": t_sep}}


def emergency(**changes: Any) -> Json:
    """Budi Santoso in the emergency ward: no referral."""
    return sep(
        **{
            "noKartu": "0001137040768",
            "klsRawat__klsRawatHak": "1",
            "noMR": "RM-000407",
            "diagAwal": "I21.9",
            "poli__tujuan": "IGD",
            "rujukan": {"asalRujukan": "2", "tglRujukan": day(), "noRujukan": "", "ppkRujukan": "0301R011"},
            "dpjpLayan": "",
        }
        | changes
    )


def inpatient(**changes: Any) -> Json:
    """Budi Santoso admitted on an SPRI."""
    return emergency(
        **{
            "jnsPelayanan": "1",
            "poli__tujuan": "",
            "skdp": {"noSurat": "0301R0111126K000001", "kodeDPJP": "31574"},
            "rujukan__noRujukan": "0301R0111126K000001",
        }
        | changes
    )


def haemodialysis(**changes: Any) -> Json:
    """Hasan Basri at the dialysis unit, referred by another hospital."""
    return sep(
        **{
            "noKartu": "0001137150970",
            "klsRawat__klsRawatHak": "3",
            "noMR": "RM-000159",
            "diagAwal": "N18.5",
            "poli__tujuan": "HDL",
            "rujukan": {
                "asalRujukan": "2",
                "tglRujukan": day(-20),
                "noRujukan": "0301R0121126B000003",
                "ppkRujukan": "0301R012",
            },
            "tujuanKunj": "1",
            "flagProcedure": "1",
            "kdPenunjang": "12",
        }
        | changes
    )


def control(**changes: Any) -> Json:
    """Yulia Rahmi comes back with a control letter, on her first referral."""
    return sep(
        **{
            "noKartu": "0001137180278",
            "klsRawat__klsRawatHak": "1",
            "noMR": "RM-000218",
            "diagAwal": "I10",
            "poli__tujuan": "JAN",
            "rujukan": {
                "asalRujukan": "1",
                "tglRujukan": day(-30),
                "noRujukan": "030107011026P000004",
                "ppkRujukan": "03010701",
            },
            "tujuanKunj": "2",
            "assesmentPel": "5",
            "skdp": {"noSurat": "0301R0111126K000002", "kodeDPJP": "31586"},
            "dpjpLayan": "31586",
        }
        | changes
    )


def after_stay(**changes: Any) -> Json:
    """Zainal Abidin's first control after his stay."""
    return sep(
        **{
            "noKartu": "0001137300659",
            "noMR": "RM-000906",
            "diagAwal": "I50.0",
            "rujukan": {
                "asalRujukan": "2",
                "tglRujukan": day(-7),
                "noRujukan": "0301R0111126V000901",
                "ppkRujukan": "0301R011",
            },
            "skdp": {"noSurat": "0301R0111126K000003", "kodeDPJP": "31574"},
        }
        | changes
    )
