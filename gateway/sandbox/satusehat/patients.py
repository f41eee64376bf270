"""The simulated patient index: it registers people of the civil register, in replies that are not FHIR, and masks them.

Source: reference satusehat.md §2.1 Patient.
"""

import datetime as dt
from typing import Any

from gateway.sandbox.satusehat.judge import Refusal, issue
from gateway.sandbox.satusehat.shelf import GENDER, NIK, Shelf, identifiers
from gateway.sandbox.seed import Person, Seed
from profiles.fhirjson import Resource

Json = dict[str, Any]

NIK_IBU = "https://fhir.kemkes.go.id/id/nik-ibu"
CREATED = "New Patient has been created successfully"


def register(patient: Resource, seed: Seed, shelf: Shelf) -> Json:
    """POST /Patient: the reply's body; its HTTP status is 200 whatever it says."""
    ids = dict(identifiers(patient))
    if NIK in ids:
        return _by_nik(patient, seed.people.get(ids[NIK]), shelf)
    if NIK_IBU in ids:
        return _newborn(patient, seed.people.get(ids[NIK_IBU]), shelf)
    return {"success": False, "message": "Citizen Not Exists"}


def masked_read(patient: Resource) -> Resource:
    """A patient as GET by id shows one."""
    return {
        k: v for k, v in _masked(patient).items() if k in ("resourceType", "id", "active", "identifier", "link", "meta")
    }


def masked_hit(patient: Resource, by_name: bool) -> Resource:
    """A patient as a search shows one: by name with birth date and gender, by NIK with the name."""
    shown = ("birthDate", "gender") if by_name else ("name",)
    wanted = {"resourceType", "id", "active", "identifier", "link", "meta", *shown}
    return {k: v for k, v in _masked(patient).items() if k in wanted}


def search(shelf: Shelf, params: dict[str, str]) -> list[Resource]:
    """The patients that a search means: by NIK or nik-ibu, or by name (three letters), birthdate and gender."""
    if "identifier" in params:
        system, _, value = params["identifier"].partition("|")
        return [masked_hit(p, by_name=False) for p in shelf.of_type("Patient") if (system, value) in identifiers(p)]
    wanted = [params.get(key, "") for key in ("name", "birthdate", "gender")]
    if len(wanted[0]) < 3 or not wanted[1] or not wanted[2]:
        raise Refusal(issue("Missing query parameters: identifier, or name with birthdate and gender"))
    return [masked_hit(p, by_name=True) for p in shelf.of_type("Patient") if _is(p, *wanted)]


def _by_nik(patient: Resource, person: Person | None, shelf: Shelf) -> Json:
    if person is None or GENDER[person.sex] != patient.get("gender") or str(person.birth) != patient.get("birthDate"):
        return {"success": False, "message": "Citizen Not Exists"}
    known = [p["id"] for p in shelf.of_type("Patient") if (NIK, person.nik) in identifiers(p)]
    if known:
        return {"success": False, "message": "Patient Resource Exists", "data": {"resourceID": known[0]}}
    stored = shelf.put(patient, "", shelf.new_ihs())
    return {"success": True, "message": CREATED, "data": {"Patient ID:": stored["id"]}}


def _newborn(patient: Resource, mother: Person | None, shelf: Shelf) -> Json:
    if mother is None:
        return {"success": False, "message": "Citizen Not Exists"}
    if mother.sex != "P":
        raise Refusal(issue("Patient with nik-ibu is not female", "exception"))
    born, order = patient.get("birthDate"), patient.get("multipleBirthInteger")
    for other in shelf.of_type("Patient"):
        same = (other.get("birthDate"), other.get("multipleBirthInteger")) == (born, order)
        if same and (NIK_IBU, mother.nik) in identifiers(other):
            message = "Failed to create new patient, another identifier has found"
            return {"success": False, "message": message, "data": {"resourceID": other["id"]}}
    stored = shelf.put(patient, "", shelf.new_ihs())
    related = shelf.put(
        {"resourceType": "RelatedPerson", "active": True, "patient": {"reference": f"Patient/{stored['id']}"}}, ""
    )
    now = str(dt.datetime.now(dt.UTC).replace(tzinfo=None))
    return {
        "create_patient": {"success": True, "message": CREATED, "data": {"patient_id": stored["id"]}},
        "create_related_patient": {
            "success": True,
            "message": "New Related Patient has been created successfully",
            "data": {"related_patient_id": related["id"]},
        },
        "update_link_patient": {
            "success": True,
            "message": "Link Patient has been updated successfully",
            "data": {"patient_id": next(iter(mother.ihs), "")},
        },
        "log_time": {"start_time": now, "createRelatedPatient_time": now},
    }


def _is(patient: Resource, name: str, birthdate: str, gender: str) -> bool:
    full = str(patient.get("name", [{}])[0].get("text", "")).upper()
    return name.upper() in full and patient.get("birthDate") == birthdate and patient.get("gender") == gender


def _masked(patient: Resource) -> Resource:
    hidden = [
        {**i, "value": i["value"] if i.get("system", "").endswith("/ihs-number") else "#" * len(i.get("value", ""))}
        for i in patient.get("identifier", ())
    ]
    return {**patient, "identifier": hidden}
