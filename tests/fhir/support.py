"""Synthetic resources and small questions that several tests ask."""

from typing import Any

import httpx

Json = dict[str, Any]
NIK = "https://fhir.kemkes.go.id/id/nik"
MRN = "http://rs-melati.example/rm"


def patient(mrn: str = "RM-0001", **more: Any) -> Json:
    """A person who does not exist."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": MRN, "value": mrn}],
        "name": [{"use": "official", "text": "Wulan Contoh"}],
        "gender": "female",
        "birthDate": "1990-02-14",
        **more,
    }


def observation(subject: str, value: str = "36.50") -> Json:
    """A body temperature; `value` keeps its digits only if it is sent as text (see `raw`)."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]},
        "subject": {"reference": subject},
        "valueString": value,
    }


def condition(subject: str) -> Json:
    """A diagnosis."""
    return {
        "resourceType": "Condition",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "J18.9"}]},
        "subject": {"reference": subject},
    }


def entry(method: str, url: str, resource: Json | None = None, full_url: str | None = None, **request: str) -> Json:
    """An entry of a Bundle; `request` holds ifMatch, ifNoneExist and their like."""
    made: Json = {"request": {"method": method, "url": url, **request}}
    if full_url:
        made["fullUrl"] = full_url
    if resource is not None:
        made["resource"] = resource
    return made


def bundle(*entries: Json, kind: str = "transaction") -> Json:
    """A Bundle to be posted to the root."""
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


async def create(client: httpx.AsyncClient, resource: Json) -> Json:
    """Create a resource and return it as stored."""
    answer = await client.post(f"/{resource['resourceType']}", json=resource)
    assert answer.status_code == 201, answer.text
    stored: Json = answer.json()
    return stored


def error(answer: httpx.Response, status: int, number: str | None = None) -> Json:
    """The first issue of an OperationOutcome, after checking the status and the error's number."""
    assert answer.status_code == status, answer.text
    outcome: Json = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    issue: Json = outcome["issue"][0]
    assert issue["details"]["text"]
    if number is not None:
        assert issue["details"]["coding"][0]["code"] == number, issue
        assert issue["diagnostics"], "it says what to do"
    return issue
