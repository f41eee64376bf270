"""The rules of a transaction as a whole: every entry has its own `urn:uuid:` fullUrl, and holds no Bundle.

Source: Kamus rules 20011 and 20017 to 20021.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

from profiles.fhirjson import Resource
from profiles.rules.book import Rule, rules
from profiles.rules.findings import Judgement, Place, objects

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def judge(bundle: Resource, judgement: Judgement, one: Callable[[Resource, Judgement], None], *, urls: bool) -> None:
    """Judge the fullUrls of a transaction or batch (where `urls`), then each entry's resource with `one`."""
    entries = objects(bundle.get("entry"))
    judgement.entries = {**judgement.entries, **dict(_named(entries))}
    judgement.turn_to(bundle)
    if urls and bundle.get("type") in ("transaction", "batch"):
        _judge_urls(entries, judgement)
    for index, entry in enumerate(entries):
        resource = entry.get("resource")
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            continue
        if resource["resourceType"] == "Bundle":
            judgement.turn_to(bundle)
            judgement.report(_rule("20011"), "nested-bundle", ((None, "entry", index), "resource", -1))
        else:
            judgement.turn_to(resource, f"Bundle.entry[{index}].resource")
            one(resource, judgement)


def _named(entries: list[Resource]) -> Iterator[tuple[str, Resource]]:
    """The resources by what a reference may call them."""
    for entry in entries:
        resource = entry.get("resource")
        if isinstance(resource, dict):
            for name in (entry.get("fullUrl"), f"{resource.get('resourceType')}/{resource.get('id')}"):
                if isinstance(name, str):
                    yield name, resource


def _judge_urls(entries: list[Resource], judgement: Judgement) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        place: Place = ((None, "entry", index), "fullUrl", -1)
        url = entry.get("fullUrl")
        if not isinstance(url, str) or not url:
            judgement.report(_rule("20021"), "fullurl-missing", place, url)
        elif not url.startswith("urn:uuid"):
            judgement.report(_rule("20018"), "fullurl-scheme", place, url)
        elif not url.startswith("urn:uuid:") or ":" in url[9:]:
            judgement.report(_rule("20017"), "fullurl-form", place, url)
        elif not _UUID.fullmatch(url[9:]):
            judgement.report(_rule("20019"), "fullurl-uuid", place, url)
        elif url in seen:
            judgement.report(_rule("20020"), "fullurl-twice", place, url)
        seen.add(str(url))


@cache
def _rule(number: str) -> Rule:
    return next(rule for rule in rules() if rule.number == number)
