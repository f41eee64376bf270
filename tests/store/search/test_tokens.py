"""Tokens: codes, identifiers, flags. Source: https://hl7.org/fhir/R4/search.html#token"""

from gateway.store import Store
from tests.store.search.hospital import ICD, MRN, NIK, V2, wrong

FOUND = [
    ("Patient", f"identifier={NIK}|3174010101900001", "budi"),
    ("Patient", "identifier=3174010101900001", "budi"),
    ("Patient", f"identifier={MRN}|3174010101900001", ""),
    ("Patient", f"identifier={NIK}|", "budi siti"),
    ("Patient", "identifier=|tanpa-sistem", "siti"),
    ("Patient", "identifier=|3174010101900001", ""),
    ("Patient", "identifier=tanpa-sistem,000123", "budi siti"),
    ("Patient", f"identifier:of-type={V2}|MR|000123", "budi"),
    ("Patient", f"identifier:of-type={V2}|MR|3174010101900001", ""),
    ("Patient", "identifier:text=nomor", "budi"),
    ("Patient", "gender=male", "budi"),
    ("Patient", "gender=http://hl7.org/fhir/administrative-gender|male", "budi"),
    ("Patient", "gender=urn:other|male", ""),
    ("Patient", "gender:not=male", "siti tanpa-nama"),
    ("Patient", "gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "budi siti tanpa-nama"),
    ("Patient", "gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender", ""),
    ("Patient", "active=true", "budi"),
    ("Patient", "active:missing=true", "tanpa-nama"),
    ("Patient", "active:missing=false", "budi siti"),
    ("Patient", r"phone=0812\,555", "budi"),
    ("Patient", "email=budi@contoh.id", "budi"),
    ("Patient", "email=BUDI@contoh.id", "budi"),
    ("Patient", "phone=0812.555", ""),
    ("Patient", "deceased=false", "budi siti tanpa-nama"),
    ("Patient", "deceased=true", ""),
    # the case counts where it is known to
    ("Patient", "gender=MALE", ""),
    ("Patient", "identifier=TANPA-SISTEM", ""),
    ("Condition", "code=n39.0", "isk"),
    ("Condition", f"code={ICD}|n39.0", "isk"),
    ("Condition", "code:not=n39.0", ""),
    ("Procedure", "code=JAHITLUKA", "jahit"),
    ("Procedure", "code=urn:rs:tindakan|jahitluka", "jahit"),
    # present, though there is no code
    ("MedicationRequest", "code:missing=false", "bermuka"),
    ("MedicationRequest", "code:missing=true", ""),
    ("ServiceRequest", "performer-type:missing=false", "terapi"),
    # media types
    ("DocumentReference", "contenttype=image/png", ""),
    ("DocumentReference", "contenttype:below=image/png", "gambar"),
    ("DocumentReference", "contenttype:below=image", "gambar"),
    ("DocumentReference", "contenttype:below=text/x", ""),
    ("Condition", "code:text=infeksi", "isk"),
    ("Observation", "code:text=systolic", "sistolik"),
    # above and below, and in what was uploaded
    ("Condition", f"code:below={ICD}|N39", "isk"),
    ("Condition", f"code:below={ICD}|N30-N39", "isk"),
    ("Condition", f"code:below={ICD}|N34", ""),
    ("Condition", f"code:above={ICD}|N39.0", "isk"),
    ("Basic", "code:below=urn:rs:ruang|rawat", "icu"),
    ("Basic", "code:below=urn:rs:ruang|rawat-anak", ""),
    ("Basic", "code:above=urn:rs:ruang|icu", "icu"),
    ("Basic", "code:in=urn:rs:ruang-rawat", "icu"),
    ("Basic", "code:in=ValueSet/ruang-rawat", "icu"),
    ("Basic", "code:in=http://127.0.0.1:8080/fhir/ValueSet/ruang-rawat", "icu"),
    ("Basic", "code:not-in=urn:rs:ruang-rawat", "poli beralamat"),
    ("Basic", "subject=Patient/siti", "beralamat"),
    ("Basic", "subject=http://127.0.0.1:8080/fhir/Patient/siti", "beralamat"),
    ("Encounter", "subject=http://127.0.0.1:8080/rs-melati/fhir/Patient/siti", "ranap"),
    ("Encounter", "subject=https://lain.id/fhir/Patient/siti", ""),
]


async def test_tokens_and_their_modifiers(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
