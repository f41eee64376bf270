"""`python -m profiles.rules.document` writes `docs/rules.md` from the data: the rules for people, in both languages."""

from itertools import groupby
from pathlib import Path
from typing import Any

from profiles.rules.book import Rule, Text, named, rules, table

FILE = Path(__file__).parents[2] / "docs" / "rules.md"

HEAD = """# The ministry's numbered rules

Who reads this: the engineer who mends what SATUSEHAT refuses, and the auditor who wants to know what was checked. It is
made from `profiles/rules/data` by `python -m profiles.rules.document`; a test holds it to the data.

## How to read a rule

* **number**: that of Kamus Rule Number V2.0, which SATUSEHAT gives in its refusal as `(RuleNumber: …)`, and the gateway
  as the rule of an issue, of a held delivery and in the conformance report. Those marked * are not in the Kamus, or in
  it for another element: the server uses them, or (keys in words) they are our own.
* **element**: below the resource, with what people call it. `extension:Name` is the extension whose url ends in Name,
  `X` an element within itself (`section.X` is any section of a section).
* **what is checked**, in Indonesian and English. What is not there is only missed where the row says »wajib«, required.
  `{org}` is the sender's own SATUSEHAT Organization id, `{any}` that of any organisation.
* **where**: judged **here**, before anything is sent, or only by the **server**, with the reason. That the target of a
  reference exists and is the sender's own is the server's to say, for every reference.

`gapura validate --for satusehat FILE` judges a file by all of them. A rule that is broken on what is about to be sent
holds that delivery until the data are mended; nothing is sent. On the hospital's own record a rule of form (times in
UTC, identifiers, references) says nothing, for the mapping gives it its form, and no rule ever refuses the record.
A warning holds nothing back: it is a doubt, such as a code that no table at hand lists.

"""
WORDS = {
    "id": {
        "future": ", tidak di masa depan",
        "future-warning": ", di masa depan hanya dengan peringatan",
        "dates": " atau tanggal saja",
        "integer": " bulat",
        "least": ", sekurangnya {}",
        "any": "apa pun",
    },
    "en": {
        "future": ", not in the future",
        "future-warning": ", in the future only with a warning",
        "dates": " or a date alone",
        "integer": " without fraction",
        "least": ", at least {}",
        "any": "any",
    },
}
NEED = {"id": "wajib", "en": "required"}
INSTEAD = {"id": "atau `{}` sebagai gantinya", "en": "or `{}` in its place"}
WHEN = {"id": "bila", "en": "where"}
WARNING = {"id": "peringatan saja", "en": "only a warning"}
WHERE = {True: "here", False: "server"}


def document() -> str:
    """The whole of docs/rules.md."""
    listed = sorted(rules(), key=lambda rule: rule.resource)
    here = sum(rule.local and rule.kamus for rule in listed)
    parts = [
        HEAD,
        f"{sum(rule.kamus for rule in listed)} rules of the Kamus, {here} of them judged here.\n",
        _systems(),
    ]
    for resource, group in groupby(listed, key=lambda rule: rule.resource):
        parts.append(
            f"\n## {resource}\n\n| number | element | yang diperiksa / what is checked | where |\n|---|---|---|---|\n"
        )
        parts += [_row(rule) for rule in group]
    return "".join(parts)


def _systems() -> str:
    systems = table("systems")
    names = {**systems["names"], **{f"{prefix}:…": url + "…" for prefix, url in systems["prefixes"].items()}}
    rows = "".join(f"| `{name}` | {url} |\n" for name, url in names.items())
    return f"\n| short name | code system |\n|---|---|\n{rows}"


def _row(rule: Rule) -> str:
    elements = "<br>".join(filter(None, (*(f"`{element}`" for element in rule.elements), _called(rule))))
    what = "<br>".join(filter(None, (_what(rule, lang).replace("|", "\\|") for lang in ("id", "en"))))
    star = "" if rule.kamus else "*"
    return f"| {rule.number}{star} | {elements} | {what} | {WHERE[rule.local]} |\n"


def _called(rule: Rule) -> str:
    """What people call the rule's elements, in both languages."""
    names = [named(rule.resource, element) for element in rule.elements]
    return "<br>".join(", ".join(dict.fromkeys(name[lang] for name in names)) for lang in ("id", "en") if names)


def _what(rule: Rule, lang: str) -> str:
    """What the rule checks, in one language."""
    sentence = _said(rule)[lang].format_map(_facts(rule, lang))
    if rule.check != "required" and rule.args.get("required"):
        sentence += f"; {NEED[lang]}"
    if "or" in rule.args:
        sentence += f", {INSTEAD[lang].format(rule.args['or'][0])}"
    if "when" in rule.args:
        condition = ", ".join(f"{name} = {str(value).lower()}" for name, value in rule.args["when"].items())
        sentence += f" {WHEN[lang]} `{condition}`"
    if rule.args.get("severity") == "warning":
        sentence = f"{sentence.rstrip('.')}; {WARNING[lang]}"
    return ". ".join(part for part in (sentence.rstrip("."), *_remarks(rule, lang)) if part)


def _said(rule: Rule) -> Text:
    if "problem" in rule.args:
        said: Text = table("messages")[rule.args["problem"]]
    else:
        words = table("checks")
        said = words.get(f"{rule.check}:{rule.args.get('aspect', rule.number)}") or words[rule.check]
    return said


def _remarks(rule: Rule, lang: str) -> list[str]:
    return [remark[lang] for remark in (rule.note, rule.advice, rule.outside) if remark is not None]


def _facts(rule: Rule, lang: str) -> dict[str, Any]:
    args, words = rule.args, WORDS[lang]
    return {
        **args,
        "path": f"`{rule.elements[0]}`" if rule.elements else "",
        "name": named(rule.resource, rule.elements[0])[lang] if rule.elements else "",
        "systems": ", ".join(f"`{system}`" for system in args.get("systems", ())),
        "targets": ", ".join(args.get("targets", ())) or words["any"],
        "future": {True: "", "warning": words["future-warning"]}.get(args.get("future"), words["future"]),
        "dates": words["dates"] if args.get("dates") else "",
        "integer": words["integer"] if args.get("integer") else "",
        "least": words["least"].format(args["least"]) if "least" in args else "",
    }


if __name__ == "__main__":
    FILE.write_text(document(), "utf-8")
