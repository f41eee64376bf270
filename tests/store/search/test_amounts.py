"""Numbers and quantities. Source: https://hl7.org/fhir/R4/search.html#number, #quantity"""

from gateway.store import Store
from tests.store.search.hospital import UCUM, wrong

FOUND = [
    ("RiskAssessment", "probability=0.25", "risiko"),
    ("RiskAssessment", "probability=0.3", "risiko"),
    ("RiskAssessment", "probability=0.30", ""),
    ("RiskAssessment", "probability=gt0.2", "risiko"),
    ("RiskAssessment", "probability=lt0.25", ""),
    ("RiskAssessment", "probability=le0.25", "risiko"),
    ("RiskAssessment", "probability=ap0.26", "risiko"),
    ("Observation", "value-quantity=70.5", "berat"),
    ("Observation", f"value-quantity=70.5|{UCUM}|kg", "berat"),
    ("Observation", f"value-quantity=70500|{UCUM}|g", "berat"),
    ("Observation", f"value-quantity=gt70|{UCUM}|kg", "berat"),
    ("Observation", f"value-quantity=gt71000|{UCUM}|g", ""),
    ("Observation", "value-quantity=120||mmHg", "sistolik"),
    ("Observation", "value-quantity=120||mm[Hg]", "sistolik"),
    ("Observation", "value-quantity=120||kg", ""),
    ("Observation", "value-quantity=ne120", "berat"),
    ("Observation", "value-quantity=1e2", ""),
    ("Observation", "value-quantity=1.2e2", "sistolik"),
    ("Observation", "value-quantity=sa70.4||kg", "berat"),
    ("Observation", "value-quantity=eb70.5||kg", ""),
    ("Observation", f"value-quantity=70.5|{UCUM}|", "berat"),
    ("Observation", "value-quantity=70.5||", "berat"),
    ("Observation", "value-quantity:missing=true", "catatan"),
]


async def test_numbers_and_quantities(hospital: Store) -> None:
    assert await wrong(hospital, FOUND) == []
