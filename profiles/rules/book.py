"""The ministry's rule book as data: one JSON file per resource type in `data/`, one rule a line.

A rule names its number, the element it looks at and the check that judges it; what a check is and which arguments it
takes is in `checks.py`. Source: Kamus Rule Number V2.0 (10 December 2025) and the payloads that the ministry accepted;
where the two disagree the accepted payload is right, and the rule says so in its `note`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import json

DATA = Path(__file__).parent / "data"

Text = Mapping[str, str]
"""The same sentence in `id` and `en`."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One numbered rule. `elements` are paths below the resource; an empty tuple means the request as a whole."""

    number: str
    resource: str
    elements: tuple[str, ...]
    check: str
    args: Mapping[str, Any] = field(default_factory=dict)
    note: Text | None = None
    """What a reader of the book should know of it."""
    advice: Text | None = None
    """What to do where it is broken, beside what is said of the problem."""
    outside: Text | None = None
    """Why only the server can judge it; None for a rule judged here."""
    kamus: bool = True
    """False for a number that the server uses and the published rule book leaves out, and for keys of our own."""

    @property
    def local(self) -> bool:
        return self.outside is None

    @property
    def path(self) -> str:
        """The element as the ministry writes it: `Encounter.identifier`."""
        if not self.elements:
            return self.resource
        return " | ".join(f"{self.resource}.{element}" for element in self.elements)


_OWN = {"number", "element", "check", "note", "advice", "server", "kamus"}


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, by resource and number."""
    return tuple(rule for path in sorted(DATA.glob("rules/*.json")) for rule in _file(path))


def _file(path: Path) -> Iterator[Rule]:
    for row in json.decode(path.read_bytes()):
        element = row.get("element", ())
        yield Rule(
            number=row["number"],
            resource=path.stem,
            elements=(element,) if isinstance(element, str) else tuple(element),
            check=row["check"],
            args={key: value for key, value in row.items() if key not in _OWN},
            note=row.get("note"),
            advice=row.get("advice"),
            outside=row.get("server"),
            kamus=row.get("kamus", True),
        )


@cache
def table(name: str) -> Any:
    """One of the tables beside the rules: systems, messages, courses, names."""
    return json.decode((DATA / f"{name}.json").read_bytes())


@cache
def named(resource: str, element: str) -> Text:
    """What people call an element of a resource; `~` in the table stands for what they call the resource."""
    names = table("names")
    found = names["elements"].get(f"{resource}.{element}") or names["elements"].get(element) or {"id": "", "en": ""}
    return {lang: words.replace("~", names["resources"][resource][lang]) for lang, words in found.items()}


@cache
def url(name: str) -> str:
    """The url of a code system by the short name that rules use: `SCT`, `hl7:v3-ActCode`, `kk:clinical-term`."""
    systems = table("systems")
    if name in systems["names"]:
        return str(systems["names"][name])
    prefix, colon, rest = name.partition(":")
    if colon and prefix in systems["prefixes"]:
        return str(systems["prefixes"][prefix] + rest)
    raise KeyError(f"no code system is called {name!r} in systems.json")
