"""What is unknown or malformed is refused, and what would be understood is named."""

from urllib.parse import parse_qsl

import pytest

from gateway.store import BadParameter, Store
from tests.store.search.hospital import HERE, ICD

REFUSED = [
    ("Patient", "nama=budi", "'nama' is not a search parameter of Patient", "name"),
    ("Patient", "name:soundex=budi", "has no modifier :soundex", "contains"),
    ("Patient", "gender=,male", "has no value", None),
    ("Patient", "nama=", "'nama' is not a search parameter of Patient", "name"),
    ("Patient", "birthdate=kemarin", "is not a date", None),
    ("Patient", "birthdate=2026-13-01", "is not a date", None),
    ("Patient", "active:missing=ya", "is not", "true"),
    ("RiskAssessment", "probability=banyak", "is not a number", None),
    ("RiskAssessment", "probability=1e9999", "is not a number", None),
    ("Patient", "name:exact=a%00b", "impossible value", None),
    ("Patient", "_cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTldCg", "impossible value", None),
    ("Observation", "value-quantity=5|mg", "is not written", None),
    ("Observation", "subject:Organization=x", "has no modifier :Organization", "Patient"),
    ("Observation", "subject=siti", "is the id of several resources", "Device/siti"),
    ("Observation", "subject=a b", "is not an id", None),
    ("Immunization", "reaction:above=x", "leads to no resources that are parts of each other", None),
    ("Observation", "subject:below=Patient/x", "no Patient is part of another", None),
    ("Patient", "_list=$current-allergies", "name a List by its id", None),
    ("Patient", "_contained=yes", "is none of its values", "both"),
    ("Patient", "_containedType=inner", "is none of its values", "container"),
    ("Patient", "name=.", "holds neither a letter nor a digit", None),
    ("Patient", "_query=cari", "'_query' is not a search parameter", "name"),
    ("Observation", "_filter=subject[gender eq male] co x", "wants .parameter after subject", None),
    ("Observation", "_filter=subject[gender eq male.name co x", "a bracket is not closed", None),
    ("Observation", "_filter=code[status eq final].x eq y", "is a token and cannot be followed", None),
    ("Observation", "code.text=x", "is a token and cannot be followed", None),
    ("Observation", "subject.nama=x", "'nama' is not a search parameter", "name"),
    ("Observation", "subject:Organization.name=x", "does not lead to Organization", "Patient"),
    ("Observation", "code-value-quantity=8480-6", "has not 2 parts", None),
    ("Patient", "_has:Observation:code:status=final", "does not lead to Patient", "subject"),
    ("Patient", "_has:Observation", "is written _has:", None),
    ("Patient", "gender:in=urn:unknown", "are not known here", None),
    ("Patient", "gender:in=urn:unknown,urn:rs:lain", "are not known here", None),
    ("Patient", "gender:below=male", "is not written system|code", None),
    ("Condition", f"code:below={ICD}|ZZZ", "has no code", None),
    ("Condition", "code:below=urn:unknown|a", "not known here", None),
    ("Patient", "_text:exact=x", "has no modifier", None),
    ("Patient", "_content=(kebun", "is not closed", None),
    ("Patient", "_content=-", "cannot be read", None),
    ("Patient", "near=1|2", "'near' is not a search parameter", "name"),
    ("Location", "near=1", "is not written latitude|longitude", None),
    ("Location", "near=95|1", "is not written latitude|longitude", None),
    ("Location", "near=5|1|1|parsec", "is not written latitude|longitude", "km"),
    ("Location", "_sort=near", "has no order", None),
    ("Patient", "_filter=nama eq budi", "'nama' is not a search parameter", "name"),
    ("Patient", "_filter=gender lt male", "'lt' is not an operator of a token", "eq"),
    ("Patient", "_filter=name eq", "wants a value", None),
    ("Patient", "_filter=(name eq budi", "is not closed", None),
    ("Patient", "_filter=name eq budi)", "is not expected", None),
    ("Patient", '_filter=name eq "budi', "wants a value", None),
    ("Patient", "_filter=name pr ya", "takes true or false", "true"),
    ("Patient", "_sort=nama", "is not a search parameter", "birthdate"),
    ("Patient", "_count=banyak", "is not a whole number", None),
    ("Patient", "_total=all", "is none of its values", "accurate"),
    ("Patient", "_include=Patient:name", "is not a reference parameter of Patient", "organization"),
    ("Patient", "_include=Pasien:name", "is not a resource type", None),
    ("Patient", "_cursor=zzz", "is not a cursor", None),
    ("Patient", "_count=1&_count=2", "more than once", None),
    ("Pasien", "name=x", "is not a resource type", None),
]


async def test_what_is_unknown_or_malformed_is_refused_and_the_valid_named(hospital: Store) -> None:
    for type, query, problem, named in REFUSED:
        with pytest.raises(BadParameter) as refused:
            await hospital.search(HERE, type, parse_qsl(query, keep_blank_values=True))
        assert problem in str(refused.value), query
        assert named is None or named in refused.value.valid, query


async def test_a_search_of_several_types_refuses_what_one_of_them_does_not_know(store: Store) -> None:
    for query, problem in (
        ("_type=Patient,Basic&name=x", "'name' is not a search parameter of Basic"),
        ("_type=Patient,Pasien", "'Pasien' is not a resource type"),
        ("_type=Patient&_type=Basic", "more than once"),
        ("nama=x", "'nama' is not a search parameter"),
        ("_type=Patient,Encounter&_sort=gender", "'gender' is not a search parameter of Encounter"),
        ("_type=Patient,Encounter&_sort=identifier,_text", "has no order"),
    ):
        with pytest.raises(BadParameter, match=problem):
            await store.search(HERE, "", parse_qsl(query))
