"""The SEP payload of an outpatient visit: mapping and schema check against hand-written dict code, in one run.

    python bench/mapping.py [--json]

The hand-written code makes the same payload of the same Bundle, knows the same kinds of visit as far as this one gets
to them, demands what is demanded, and does not check the schema. The JSON is decoded before the clock starts; values
are the best of many rounds. The visit is the module's own example, a synthetic person.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import mappings
from mappings.examples import differs, source_of
from mappings.language import SHIPPED
from profiles import fhirjson

BUDGET_US, BUDGET_RATIO = 100.0, 4.0
ROUNDS, TIMES = 40, 200
EXAMPLES = SHIPPED / "vclaim" / "sep-insert" / "examples"
POLI, ICD_10 = "http://sys-ids.kemkes.go.id/bpjs-poli", "http://hl7.org/fhir/sid/icd-10"
PCARE, REFERRAL = "http://sys-ids.kemkes.go.id/referral-number-pcare", "http://sys-ids.kemkes.go.id/referral-number"
LETTER, SPRI = "https://gapura.dev/fhir/sid/bpjs-surat-kontrol", "https://gapura.dev/fhir/sid/bpjs-spri"
DPJP, FASKES = "https://gapura.dev/fhir/sid/bpjs-dpjp", "https://gapura.dev/fhir/sid/bpjs-faskes"
JAKARTA = ZoneInfo("Asia/Jakarta")
KINDS = {"AMB": "2", "EMER": "2", "IMP": "1", "ACUTE": "1", "NONAC": "1"}

Json = dict[str, Any]


def by_hand(bundle: Json, facility: Json) -> Json:
    """What a programmer would write for this SEP, straight on the dicts."""
    index: dict[str, Json] = {}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        index[f"{resource['resourceType']}/{resource['id']}"] = resource
    request = next(r for r in index.values() if r["resourceType"] == "CoverageEligibilityRequest" and is_ours(r))
    supporting = [index[s["information"]["reference"]] for s in request["supportingInfo"]]
    encounter = next(r for r in supporting if r["resourceType"] == "Encounter")
    documents = [r for r in supporting if r["resourceType"] == "ServiceRequest"]
    patient = index[request["patient"]["reference"]]
    insurance = next(i for i in request["insurance"] if i.get("focal", True))
    coverage = index[insurance["coverage"]["reference"]]
    poli = number(index[request["facility"]["reference"]], POLI)
    kind = KINDS[encounter["class"]["code"]]
    if any(number(d, LETTER) or number(d, SPRI) for d in documents) or kind != "2" or poli == "HDL":
        raise NotImplementedError("this bench is about the first visit by referral")
    referral = next(d for d in documents if number(d, PCARE) or number(d, REFERRAL))
    diagnosis = index[request["item"][0]["diagnosis"][0]["diagnosisReference"]["reference"]]
    doctor = attending(encounter)
    return {
        "request": {
            "t_sep": {
                "noKartu": demanded(coverage.get("subscriberId"), "card"),
                "tglSep": demanded(request.get("servicedDate"), "date"),
                "ppkPelayanan": facility["kode_faskes"],
                "jnsPelayanan": kind,
                "klsRawat": {
                    "klsRawatHak": demanded(class_of_right(coverage), "class of right"),
                    "klsRawatNaik": "",
                    "pembiayaan": "",
                    "penanggungJawab": "",
                },
                "noMR": demanded(
                    number(patient, f"http://sys-ids.kemkes.go.id/mrn/{facility['organization_id']}"), "MR"
                ),
                "rujukan": {
                    "asalRujukan": "1" if number(referral, PCARE) else "2",
                    "tglRujukan": local_day(demanded(referral.get("authoredOn"), "date of referral")),
                    "noRujukan": number(referral, PCARE) or number(referral, REFERRAL),
                    "ppkRujukan": demanded(number(index[referral["requester"]["reference"]], FASKES), "referrer"),
                },
                "catatan": "",
                "diagAwal": demanded(code_of(diagnosis["code"], ICD_10), "diagnosis"),
                "poli": {"tujuan": demanded(poli, "poli"), "eksekutif": "1" if is_executive(encounter) else "0"},
                "cob": {"cob": "1" if any(i.get("focal") is False for i in request["insurance"]) else "0"},
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
                "dpjpLayan": demanded(number(index[demanded(doctor, "doctor")["reference"]], DPJP), "doctor"),
                "noTelp": digits(demanded(phone_of(patient), "telephone")),
                "user": demanded(request.get("enterer", {}).get("display"), "user"),
            }
        }
    }


def is_ours(request: Json) -> bool:
    """Is the request active and for BPJS?"""
    insurer = request["insurer"]["identifier"]
    return bool(request["status"] == "active" and insurer["value"] == "100000030")


def number(resource: Json, system: str) -> str | None:
    """The identifier of a system."""
    return next((i["value"] for i in resource.get("identifier", ()) if i.get("system") == system), None)


def demanded(value: Any, name: str) -> Any:
    """The value, which must be there."""
    if not value:
        raise ValueError(f"{name} is missing")
    return value


def code_of(concept: Json, system: str) -> str | None:
    """The code of a system."""
    return next((c["code"] for c in concept.get("coding", ()) if c.get("system") == system), None)


def class_of_right(coverage: Json) -> str | None:
    """The class the member is entitled to."""
    for row in coverage.get("class", ()):
        if any(c.get("code") == "class" for c in row["type"].get("coding", ())):
            return str(row["value"])
    return None


def attending(encounter: Json) -> Json | None:
    """The reference to the last attending participant."""
    found = None
    for participant in encounter.get("participant", ()):
        for kind in participant.get("type", ()):
            if any(c.get("code") == "ATND" for c in kind.get("coding", ())):
                found = participant.get("individual")
    return found


def is_executive(encounter: Json) -> bool:
    """Is it an executive clinic by the ministry's class of service?"""
    return any("extension" in location for location in encounter.get("location", ()))


def phone_of(patient: Json) -> str | None:
    """The first telephone number."""
    return next((t["value"] for t in patient.get("telecom", ()) if t.get("system") == "phone"), None)


def digits(number: str) -> str:
    """`+62 812` → `0812`."""
    found = "".join(c for c in number if c in "0123456789")
    return "0" + found[2:] if found.startswith("62") else found


def local_day(instant: str) -> str:
    """The day in Jakarta."""
    return datetime.fromisoformat(instant).astimezone(JAKARTA).date().isoformat()


def microseconds(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The least mean of many short rounds of each; the rounds take turns, so that other work disturbs all alike."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begin = time.process_time()
            for _ in range(TIMES):
                call()
            best[name] = min(best[name], (time.process_time() - begin) / TIMES * 1e6)
    return best


def main() -> int:
    """Measure and print; exit 1 where the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    example = fhirjson.decode((EXAMPLES / "referral.json").read_bytes())
    bundle = source_of(example, {path.name: path for path in (EXAMPLES / "sources").glob("*.json")})
    facility = example["context"]["facility"]
    module = mappings.load("vclaim/sep-insert")
    product = module(bundle, facility=facility)
    difference = differs(by_hand(bundle, facility), product)
    assert difference is None, difference
    times = microseconds(
        {
            "map_and_check": lambda: module.check(module(bundle, facility=facility)),
            "map": lambda: module(bundle, facility=facility),
            "check": lambda: module.check(product),
            "by_hand": lambda: by_hand(bundle, facility),
        }
    )
    ratio = times["map_and_check"] / times["by_hand"]
    within = times["map_and_check"] <= BUDGET_US and ratio <= BUDGET_RATIO
    found = {"us": {name: round(value, 1) for name, value in times.items()}, "ratio": round(ratio, 2)}
    found |= {"budget_us": BUDGET_US, "budget_ratio": BUDGET_RATIO, "within_budget": within}
    if args.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:>14}  {value}")
    return 0 if within else 1


if __name__ == "__main__":
    raise SystemExit(main())
