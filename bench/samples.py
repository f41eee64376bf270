"""The resources that the server's bench writes and looks for. All persons are made up.

`n` is a number of eight digits, as text, that stands in ids and values: what is asked of one person can be asked of
another by exchanging it.
"""

from typing import Any

SAMPLE = "00000007"
VISITS = (1, 20)
"""In one transaction."""
MRN = "https://rs.example/mrn"
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
PULSE = {"coding": [{"system": LOINC, "code": "8867-4", "display": "Heart rate"}]}


def number(n: int) -> str:
    """`n` as it stands in ids."""
    return f"{n:08}"


def patient(n: str) -> dict[str, Any]:
    """A person with two identifiers, a name, an address."""
    return {
        "resourceType": "Patient",
        "identifier": [{"use": "official", "system": MRN, "value": f"M{n}"}, {"system": f"{MRN}/card", "value": n}],
        "active": True,
        "name": [{"use": "official", "text": f"Contoh Pasien {n}", "family": f"Pasien{n}", "given": ["Contoh"]}],
        "telecom": [{"system": "phone", "value": f"0812{n}", "use": "mobile"}],
        "gender": "female" if int(n) % 2 else "male",
        "birthDate": f"19{int(n) % 90 + 10}-0{int(n) % 9 + 1}-15",
        "address": [{"use": "home", "line": [f"Jalan Contoh {n}"], "city": "Bandung", "country": "ID"}],
    }


def observation(n: str, subject: str = "") -> dict[str, Any]:
    """A pulse of person `n`."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs", "display": "Vital Signs"}]}],
        "code": PULSE,
        "subject": {"reference": subject or f"Patient/p{n}"},
        "effectiveDateTime": f"2026-11-{int(n) % 28 + 1:02}T08:30:00+07:00",
        "valueQuantity": {"value": 60 + int(n) % 60, "unit": "beats/minute", "system": UCUM, "code": "/min"},
    }


def encounter(n: str, subject: str) -> dict[str, Any]:
    """An outpatient visit of person `n`."""
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": subject},
        "period": {"start": "2026-11-20T08:00:00+07:00", "end": "2026-11-20T09:00:00+07:00"},
    }


def visits(n: str, count: int) -> dict[str, Any]:
    """Visits of persons `n` as one transaction, ten resources each: a person, an encounter, eight observations."""
    entries = []
    for visit in range(count):
        addresses = [f"urn:uuid:5d3f8a52-6b1e-4d8c-9a51-7e2f4c{visit * 10 + i:06}" for i in range(10)]
        person = addresses[0]
        resources = [patient(n), encounter(n, person), *(observation(n, person) for _ in range(8))]
        entries += [
            {"fullUrl": address, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
            for address, resource in zip(addresses, resources, strict=True)
        ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def person(n: int) -> list[dict[str, Any]]:
    """Person `n` with an id of its own and four observations without: what every store is filled with."""
    name = number(n)
    return [{**patient(name), "id": f"p{name}"}, *(observation(name) for _ in range(4))]


def searches(n: str) -> dict[str, str]:
    """Name of a search → its address."""
    return {
        "search by identifier": f"Patient?identifier={MRN}|M{n}",
        "search with include": f"Observation?subject=Patient/p{n}&_include=Observation:subject",
        "search by token, 20": f"Observation?code={LOINC}|8867-4&_count=20",
    }
