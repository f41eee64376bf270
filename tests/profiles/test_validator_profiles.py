"""Profiles that a site brings: slices of every kind, values, types, conditions; snapshots made from differentials."""

import io
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from profiles import Validator, definitions
from profiles.snapshot import SnapshotError, with_snapshot

Json = dict[str, Any]
HL7 = "http://hl7.org/fhir/StructureDefinition/"
SITE = "http://example.org/StructureDefinition/"


def profile(name: str, type_: str, *elements: Json, base: str | None = None, **more: Any) -> Json:
    rows = [{"path": ".".join(step.partition(":")[0] for step in e["id"].split(".")), **e} for e in elements]
    return {
        "resourceType": "StructureDefinition", "url": SITE + name, "name": name, "status": "active", "kind": "resource",
        "abstract": False, "type": type_, "baseDefinition": base or HL7 + type_, "derivation": "constraint",
        "differential": {"element": rows}, **more,
    }  # fmt: skip


def rules(resource: Json, *profiles: Json) -> set[str]:
    """Ids of what the first profile finds wrong."""
    issues = Validator(profiles).validate(resource, profiles[0]["url"])
    assert all(issue.tier == "profile" for issue in issues), [i.text() for i in issues]
    return {issue.rule for issue in issues if issue.severity == "error"}


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", **more}


def told_by(kind: str, path: str) -> Json:
    return {"discriminator": [{"type": kind, "path": path}], "rules": "open"}


BY_SYSTEM = told_by("value", "system")


def sliced(rules_: str = "open", ordered: bool = False) -> Json:
    return profile(
        "sliced", "Patient",
        {"id": "Patient.identifier", "slicing": {**BY_SYSTEM, "rules": rules_, "ordered": ordered}},
        {"id": "Patient.identifier:a", "sliceName": "a", "min": 1, "max": "1"},
        {"id": "Patient.identifier:a.system", "min": 1, "fixedUri": "http://a"},
        {"id": "Patient.identifier:a.value", "min": 1},
        {"id": "Patient.identifier:b", "sliceName": "b", "max": "1"},
        {"id": "Patient.identifier:b.system", "min": 1, "patternUri": "http://b"},
    )  # fmt: skip


A, B, C = ({"system": f"http://{name}", "value": name} for name in "abc")


@pytest.mark.parametrize(
    ("profile_", "identifiers", "broken"),
    [
        (sliced(), [A], set()),
        (sliced(), [A, B, C, C], set()),
        (sliced(), [], {"Patient.identifier:a"}),
        (sliced(), [B], {"Patient.identifier:a"}),
        (sliced(), [A, A], {"Patient.identifier:a"}),
        (sliced(), [A, B, B], {"Patient.identifier:b"}),
        (sliced(), [{"system": "http://a"}], {"Patient.identifier:a.value"}),
        (sliced("closed"), [A, C], {"Patient.identifier"}),
        (sliced("closed"), [B, A], set()),
        (sliced("open", True), [B, A], {"Patient.identifier:a"}),
        (sliced("openAtEnd"), [A, B, C], set()),
        (sliced("openAtEnd"), [C, A], {"Patient.identifier"}),
    ],
)
def test_slices_by_value(profile_: Json, identifiers: list[Json], broken: set[str]) -> None:
    resource = patient(identifier=identifiers) if identifiers else patient(active=True)
    assert rules(resource, profile_) == broken


def test_slices_within_slices() -> None:
    nested = profile(
        "nested", "Patient",
        {"id": "Patient.identifier", "slicing": BY_SYSTEM},
        {"id": "Patient.identifier:a", "sliceName": "a",
         "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "closed"}},
        {"id": "Patient.identifier:a.system", "min": 1, "fixedUri": "http://a"},
        {"id": "Patient.identifier:a/old", "sliceName": "a/old"},
        {"id": "Patient.identifier:a/old.use", "min": 1, "fixedCode": "old"},
        {"id": "Patient.identifier:a/old.period", "min": 1},
    )  # fmt: skip
    old = {**A, "use": "old"}
    assert rules(patient(identifier=[{**old, "period": {"start": "2026"}}, C]), nested) == set()
    assert rules(patient(identifier=[old]), nested) == {"Patient.identifier:a/old.period"}
    assert rules(patient(identifier=[A]), nested) == {"Patient.identifier:a"}


def test_slices_within_slices_are_counted_and_ordered() -> None:
    inner = {"discriminator": [{"type": "value", "path": "use"}], "rules": "openAtEnd", "ordered": True}
    nested = profile(
        "counted", "Patient",
        {"id": "Patient.identifier", "slicing": BY_SYSTEM},
        {"id": "Patient.identifier:a", "sliceName": "a", "max": "3", "slicing": inner},
        {"id": "Patient.identifier:a.system", "min": 1, "fixedUri": "http://a"},
        {"id": "Patient.identifier:a/old", "sliceName": "a/old", "min": 1, "max": "1"},
        {"id": "Patient.identifier:a/old.use", "min": 1, "fixedCode": "old"},
        {"id": "Patient.identifier:a/new", "sliceName": "a/new", "max": "1"},
        {"id": "Patient.identifier:a/new.use", "min": 1, "fixedCode": "official"},
    )  # fmt: skip
    old, new = {**A, "use": "old"}, {**A, "use": "official"}

    def broken(*identifiers: Json) -> set[str]:
        return rules(patient(identifier=[*identifiers]), nested)

    assert broken(C, old, new) == broken(old, B, new) == broken(old, A, C) == set()
    assert broken(new) == broken(C) == {"Patient.identifier:a/old"}
    assert rules(patient(active=True), nested) == {"Patient.identifier:a/old"}
    assert broken(old, old) == {"Patient.identifier:a/old"}
    assert broken(old, new, new) == {"Patient.identifier:a/new"}
    assert broken(new, old) == {"Patient.identifier:a/old"}
    assert broken(old, A, new) == {"Patient.identifier:a/new"}
    assert broken(old, A, A, A) == {"Patient.identifier:a"}


def observation(**more: Any) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **more}


def test_slices_by_type_of_a_choice() -> None:
    typed = profile(
        "typed", "Observation",
        {"id": "Observation.value[x]", "slicing": told_by("type", "$this")},
        {"id": "Observation.value[x]:valueQuantity", "sliceName": "valueQuantity", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]:valueQuantity.unit", "min": 1},
    )  # fmt: skip
    assert rules(observation(valueQuantity={"value": 1}), typed) == {"Observation.value[x]:valueQuantity.unit"}
    assert rules(observation(valueQuantity={"value": 1, "unit": "x"}), typed) == set()
    assert rules(observation(valueString="x"), typed) == set()


def test_a_choice_narrowed_by_its_short_name_has_no_other_type() -> None:
    narrow = profile("narrow", "Observation", {"id": "Observation.valueQuantity", "min": 1})
    assert rules(observation(valueQuantity={"value": 1}), narrow) == set()
    assert rules(observation(valueString="x"), narrow) == {"Observation.value[x]", "Observation.value[x]:valueQuantity"}


def test_slices_by_what_exists_and_by_what_a_reference_points_to() -> None:
    existing = profile(
        "existing", "Patient",
        {"id": "Patient.telecom", "slicing": told_by("exists", "period")},
        {"id": "Patient.telecom:dated", "sliceName": "dated"},
        {"id": "Patient.telecom:dated.period", "min": 1},
        {"id": "Patient.telecom:dated.rank", "min": 1},
    )  # fmt: skip
    assert rules(patient(telecom=[{"period": {"start": "2026"}}]), existing) == {"Patient.telecom:dated.rank"}
    assert rules(patient(telecom=[{"rank": 1}]), existing) == set()
    pointing = profile(
        "pointing", "Patient",
        {"id": "Patient.generalPractitioner", "slicing": told_by("type", "resolve()")},
        {"id": "Patient.generalPractitioner:clinic", "sliceName": "clinic", "min": 1,
         "type": [{"code": "Reference", "targetProfile": [HL7 + "Organization"]}]},
    )  # fmt: skip
    assert rules(patient(generalPractitioner=[{"reference": "Organization/1"}]), pointing) == set()
    doctor = patient(generalPractitioner=[{"reference": "Practitioner/1"}])
    assert rules(doctor, pointing) == {"Patient.generalPractitioner:clinic"}


def test_slices_by_profile() -> None:
    with_nik = profile("nik", "Organization", {"id": "Organization.alias", "min": 1})
    by_profile = profile(
        "byprofile", "Bundle",
        {"id": "Bundle.entry", "slicing": told_by("profile", "resource")},
        {"id": "Bundle.entry:org", "sliceName": "org", "min": 1},
        {"id": "Bundle.entry:org.resource", "min": 1, "type": [{"code": "Organization", "profile": [SITE + "nik"]}]},
    )  # fmt: skip

    def bundle(organization: Json) -> Json:
        entry = {"fullUrl": "urn:uuid:3f6ae65c-6c0d-4f4d-9d2b-000000000001", "resource": organization}
        return {"resourceType": "Bundle", "type": "collection", "entry": [entry]}

    good = {"resourceType": "Organization", "name": "RS", "alias": ["RS"]}
    assert rules(bundle(good), by_profile, with_nik) == set()
    assert rules(bundle({"resourceType": "Organization", "name": "RS"}), by_profile, with_nik) == {"Bundle.entry:org"}


def test_values_bounds_bindings_and_conditions() -> None:
    strict = profile(
        "strict", "Patient",
        {"id": "Patient.active", "min": 1, "fixedBoolean": True},
        {"id": "Patient.maritalStatus", "patternCodeableConcept": {"coding": [{"code": "M"}]}},
        {"id": "Patient.photo", "max": "0"},
        {"id": "Patient.name", "max": "1", "constraint": [
            {"key": "site-1", "severity": "error", "human": "A family name", "expression": "family.exists()"}]},
        {"id": "Patient.name.text", "maxLength": 5},
        {"id": "Patient.gender", "binding": {"strength": "required", "valueSet": "http://example.org/vs"}},
        {"id": "Patient.managingOrganization", "type": [
            {"code": "Reference", "targetProfile": [SITE + "clinic"]}]},
        {"id": "Patient.multipleBirth[x]", "type": [{"code": "integer"}], "maxValueInteger": 3},
    )  # fmt: skip
    clinic = profile("clinic", "Organization", {"id": "Organization.telecom", "min": 1})
    include = {"system": "http://hl7.org/fhir/administrative-gender", "concept": [{"code": "female"}]}
    values = {"resourceType": "ValueSet", "url": "http://example.org/vs", "compose": {"include": [include]}}

    def broken(**more: Any) -> set[str]:
        return rules(patient(**{"active": True, **more}), strict, clinic, values)

    system = {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"}
    assert broken(name=[{"family": "A", "text": "Siti"}], gender="female", multipleBirthInteger=3) == set()
    assert broken(active=False) == {"Patient.active"}
    assert broken(maritalStatus={"coding": [{**system, "code": "M"}, {"code": "x"}]}) == set()
    assert broken(maritalStatus={"coding": [{**system, "code": "S"}]}) == {"Patient.maritalStatus"}
    assert broken(photo=[{"title": "x"}]) == {"Patient.photo"}
    assert broken(name=[{"family": "A"}, {"family": "B"}]) == {"Patient.name"}
    assert broken(name=[{"text": "Siti"}]) == {"site-1"}
    assert broken(name=[{"family": "A", "text": "Siti R"}]) == {"Patient.name.text"}
    assert broken(gender="male") == {"Patient.gender"}
    assert broken(multipleBirthBoolean=True) == {"Patient.multipleBirth[x]"}
    assert broken(multipleBirthInteger=4) == {"Patient.multipleBirth[x]"}
    contained = {"resourceType": "Organization", "id": "o", "name": "RS"}
    held = {"managingOrganization": {"reference": "#o"}}
    assert broken(**held, contained=[contained]) == {"Patient.managingOrganization"}
    assert broken(**held, contained=[{**contained, "telecom": [{"value": "1", "system": "phone"}]}]) == set()


def element_of(type_: str, element: str, *types: str, **more: Any) -> Json:
    row = {"id": f"{type_}.{element}", **more}
    return profile("limited", type_, {**row, "type": [{"code": code} for code in types]} if types else row)


def quantity(value: float, code: str | None = "kg") -> Json:
    unit = {"system": "http://unitsofmeasure.org", "code": code} if code else {}
    return {"value": Decimal(str(value)), "unit": code or "kilo", **unit}


KILOS = {"minValueQuantity": quantity(5), "maxValueQuantity": quantity(10)}
DATES = {"minValueDate": "1900-01-01", "maxValueDate": "2020-06-15"}
DAY = {"minValueDateTime": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("limited", "key", "right", "wrong"),
    [
        (element_of("Observation", "value[x]", "Quantity", **KILOS), "valueQuantity",
         [quantity(5), quantity(10), quantity(5000, "g")],
         [quantity(4.9), quantity(10.1), quantity(4999, "g"), quantity(7, "cm")]),
        (element_of("Observation", "value[x]", "integer", minValueInteger=1, maxValueInteger=3), "valueInteger",
         [1, 3], [0, 4]),
        (element_of("Observation", "value[x]", "time", minValueTime="08:00:00"), "valueTime",
         ["08:00:00"], ["07:59:59"]),
        (element_of("Observation", "effective[x]", "dateTime", **DAY), "effectiveDateTime",
         ["2020", "2020-01-01", "2020-01-01T07:00:00+07:00"], ["2019", "2019-12-31", "2020-01-01T06:59:59+07:00"]),
        (element_of("Observation", "effective[x]", "dateTime", maxValueQuantity=quantity(1, "d")), "effectiveDateTime",
         ["2020"], ["2999-01-01"]),
        (element_of("Patient", "birthDate", **DATES), "birthDate",
         ["1900", "2020", "2020-06", "2020-06-15"], ["1899", "1899-12-31", "2020-07", "2020-06-16"]),
        (element_of("Patient", "gender", maxLength=4), "gender", ["male"], ["female"]),
        (element_of("Patient", "birthDate", extension=[{"url": HL7 + "regex", "valueString": "[0-9]{4}"}]),
         "birthDate", ["1990"], ["1990-01"]),
        (element_of("Patient", "gender", extension=[{"url": HL7 + "minLength", "valueInteger": 5}]), "gender",
         ["female"], ["male"]),
        (element_of("Patient", "photo", extension=[{"url": HL7 + "maxSize", "valueDecimal": 3}]), "photo",
         [[{"contentType": "a/b", "data": "YWJj"}]], [[{"contentType": "a/b", "data": "YWJjZA=="}]]),
        (element_of("Observation", "value[x]", "Quantity",
                    extension=[{"url": HL7 + "maxDecimalPlaces", "valueInteger": 1}]), "valueQuantity",
         [quantity(1), quantity(1.5)], [quantity(1.55)]),
        (element_of("Observation", "value[x]", "Quantity", patternQuantity=quantity(1.5)), "valueQuantity",
         [quantity(1.5)], [quantity(1.6)]),
    ],
)  # fmt: skip
def test_limits_of_values(limited: Json, key: str, right: list[Any], wrong: list[Any]) -> None:
    whole = observation() if limited["type"] == "Observation" else patient(active=True)
    [element] = limited["differential"]["element"]
    for value in right:
        assert rules({**whole, key: value}, limited) == set(), value
    for value in wrong:
        assert rules({**whole, key: value}, limited) == {element["id"]}, value


def test_a_limit_that_cannot_be_compared_is_a_warning() -> None:
    limited = element_of("Observation", "value[x]", "Quantity", **KILOS)
    issues = Validator([limited]).validate(observation(valueQuantity=quantity(4, None)), limited["url"])
    assert [(i.severity, i.rule) for i in issues] == [("warning", "Observation.value[x]")]


ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "RS"}
INSIDE = {"managingOrganization": {"reference": "#o"}, "contained": [ORGANIZATION]}
AT = {"managingOrganization": {"reference": "Organization/o"}}
VERSIONED = {"managingOrganization": {"reference": "Organization/o/_history/1"}}


@pytest.mark.parametrize(
    ("asked", "right", "wrong"),
    [
        ({"aggregation": ["contained"]}, [INSIDE, {"managingOrganization": {"display": "RS"}}], [AT]),
        ({"aggregation": ["referenced"]}, [AT], [INSIDE]),
        ({"aggregation": ["bundled"]}, [], [INSIDE, AT]),
        ({"versioning": "specific"}, [VERSIONED], [AT]),
        ({"versioning": "independent"}, [AT], [VERSIONED]),
    ],
)
def test_how_a_reference_is_made(asked: Json, right: list[Json], wrong: list[Json]) -> None:
    made = profile("made", "Patient", {"id": "Patient.managingOrganization", "type": [
        {"code": "Reference", "targetProfile": [HL7 + "Organization"], **asked}]})  # fmt: skip
    for more in right:
        assert rules(patient(**more), made) == set()
    for more in wrong:
        assert rules(patient(**more), made) == {"Patient.managingOrganization"}


def test_a_bundled_reference_is_one_to_another_entry() -> None:
    made = profile("made", "Patient", {"id": "Patient.managingOrganization", "type": [
        {"code": "Reference", "targetProfile": [HL7 + "Organization"], "aggregation": ["bundled"]}]})  # fmt: skip
    who = {
        "resource": patient(**AT, id="p", meta={"profile": [SITE + "made"]}),
        "fullUrl": "http://x.org/fhir/Patient/p",
    }
    organization = {"resource": ORGANIZATION, "fullUrl": "http://x.org/fhir/Organization/o"}
    whole = {"resourceType": "Bundle", "type": "collection", "entry": [who, organization]}
    validator = Validator([made])
    assert validator.validate(whole) == []
    [issue] = validator.validate({**whole, "entry": [who]})
    assert (issue.rule, issue.value) == ("Patient.managingOrganization", "Organization/o")


def test_a_profile_of_a_profile_asks_for_what_both_ask() -> None:
    above = profile("above", "Patient", {"id": "Patient.birthDate", "min": 1})
    below = profile("below", "Patient", {"id": "Patient.gender", "min": 1}, base=SITE + "above")
    assert rules(patient(active=True), below, above) == {"Patient.birthDate", "Patient.gender"}


def test_a_named_profile_is_applied_and_an_unknown_one_is_a_warning() -> None:
    named = {"meta": {"profile": [SITE + "above", SITE + "unknown|1.0"]}}
    validator = Validator([profile("above", "Patient", {"id": "Patient.birthDate", "min": 1})])
    issues = validator.validate(patient(active=True, **named))
    assert {(i.severity, i.rule) for i in issues} == {
        ("error", "Patient.birthDate"), ("warning", "Resource.meta.profile")}  # fmt: skip
    wrong = validator.validate({"resourceType": "Basic", "code": {"text": "x"}, **named})
    assert ("error", "Basic") in {(i.severity, (i.facts or {}).get("found")) for i in wrong}


def test_profiles_come_from_files_folders_and_packages(tmp_path: Path) -> None:
    raw = msgspec.json.encode(profile("filed", "Patient", {"id": "Patient.birthDate", "min": 1}))
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "filed.json").write_bytes(raw)
    package = tmp_path / "site.tgz"
    with tarfile.open(package, "w:gz") as archive:
        info = tarfile.TarInfo("package/StructureDefinition-filed.json")
        info.size = len(raw)
        archive.addfile(info, io.BytesIO(raw))
    for source in (folder, package, folder / "deeper" / "filed.json"):
        found = Validator([source]).validate(patient(active=True), SITE + "filed")
        assert [issue.rule for issue in found] == ["Patient.birthDate"], source
    (folder / "bad.json").write_text("{")
    with pytest.raises(ValueError, match=r"bad\.json"):
        Validator([folder])


# ---------------------------------------------------------------------- snapshots


def test_snapshots_of_r4s_own_profiles_come_out_as_published() -> None:
    vital = definitions.structure("http://hl7.org/fhir/StructureDefinition/vitalsigns")
    assert vital is not None
    made = with_snapshot(profile("bp", "Observation", {"id": "Observation.component", "min": 2}, base=vital["url"]),
                         definitions.structure)  # fmt: skip
    elements = {e["id"]: e for e in made["snapshot"]["element"]}
    assert elements["Observation.component"]["min"] == 2
    assert elements["Observation.category:VSCat.coding.code"]["fixedCode"] == "vital-signs"
    assert len(elements) == len(vital["snapshot"]["element"])


def test_a_differential_that_does_not_fit_names_profile_and_element() -> None:
    wrong = profile("wrong", "Patient", {"id": "Patient.nama", "min": 1})
    with pytest.raises(SnapshotError, match=r"StructureDefinition/wrong.*nama"):
        with_snapshot(wrong, definitions.structure)
    orphan = profile("orphan", "Patient", {"id": "Patient.name", "min": 1}, base=SITE + "nobody")
    with pytest.raises(SnapshotError, match="nobody"):
        with_snapshot(orphan, definitions.structure)
    loop = profile("loop", "Patient", {"id": "Patient.name", "min": 1}, base=SITE + "loop")
    with pytest.raises(SnapshotError, match="its own base"):
        with_snapshot(loop, {SITE + "loop": loop}.get)
