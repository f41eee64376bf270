"""References, chains and what refers back. Source: https://hl7.org/fhir/R4/search.html#reference, #chaining, #has"""

from gateway.store import Store
from tests.store.search.hospital import NIK, wrong

FOUND = [
    ("Observation", "subject=Patient/budi", "sistolik berat catatan"),
    ("Observation", "subject=budi", "sistolik berat catatan"),
    ("Observation", "subject:Patient=budi", "sistolik berat catatan"),
    ("Observation", "subject:Group=budi", ""),
    ("Observation", "patient=siti", ""),
    ("Encounter", "practitioner=dokter", "rajal"),
    ("Patient", f"general-practitioner:identifier={NIK}|3174020202800002", "budi"),
    ("Patient", "general-practitioner:missing=true", "siti tanpa-nama"),
    ("Appointment", "actor:missing=false", "janji"),
    ("Observation", "subject=Patient/budi/_history/1", "sistolik berat catatan"),
    # canonical urls and their versions
    ("PlanDefinition", "depends-on=http://contoh.id/Library/a", "rencana"),
    ("PlanDefinition", "depends-on=http://contoh.id/Library/a|1.2.3", "rencana"),
    ("PlanDefinition", "depends-on=http://contoh.id/Library/a|1.2", ""),
    ("PlanDefinition", "depends-on:below=http://contoh.id/Library/a|1.2", "rencana"),
    ("PlanDefinition", "depends-on:below=http://contoh.id/Library/a|1", "rencana"),
    ("PlanDefinition", "depends-on:below=http://contoh.id/Library/b|1", ""),
    ("PlanDefinition", "depends-on:below=http://contoh.id/Library/b", "rencana"),
    # hierarchies
    ("Procedure", "location:below=gedung", "jahit"),
    ("Procedure", "location:below=Location/lantai", "jahit"),
    ("Procedure", "location:above=kamar", "jahit"),
    ("Procedure", "location:above=lantai", ""),
    ("Location", "partof:below=gedung", "lantai kamar"),
    ("Location", "partof:above=kamar", "lantai kamar"),
    ("Organization", "_has:Patient:organization:_id=budi&partof:below=grup", "rs"),
    # chains
    ("Observation", "subject:Patient.name=budi", "sistolik berat catatan"),
    ("Observation", "patient.name=siti", ""),
    ("Observation", "subject.name=budi", "sistolik berat catatan"),
    ("Observation", "patient.organization.name=melati", ""),
    ("Observation", "patient.organization.name=rs", "sistolik berat catatan"),
    ("Observation", "patient.organization.partof.name=grup", "sistolik berat catatan"),
    ("Observation", "patient._id=budi&code=8480-6", "sistolik"),
    ("Observation", "subject.organization.partof.name=grup", "sistolik berat catatan"),  # a Device has no such chain
    ("Observation", "patient:missing=false&subject:Patient.gender:not=female", "sistolik berat catatan"),
    ("Encounter", "subject:Patient.birthdate=lt1991", "rajal"),
    ("Patient", "_has:Observation:patient:code=8480-6", "budi"),
    ("Patient", "_has:Observation:patient:code=xx", ""),
    ("Patient", "_has:Encounter:patient:_has:Observation:encounter:code=8480-6", "budi"),
    ("Practitioner", "_has:Encounter:practitioner:subject:Patient.name=budi", "dokter"),
    ("Patient", "gender=male&birthdate=1990&_has:Condition:patient:code=N39.0", "budi"),
]


async def test_references_and_chains(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
