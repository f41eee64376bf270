"""The sentences of the validator, from `data/messages.json`: key → IssueType and wording in Indonesian and English."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from profiles.validator.issue import Wording

DATA = Path(__file__).parent / "data"


class Message(NamedTuple):
    """A FHIR IssueType and the wording that goes with it."""

    code: str
    wording: Wording


@cache
def messages() -> dict[str, Message]:
    """Every message by its key."""
    from msgspec import json

    rows: dict[str, dict[str, str]] = json.decode((DATA / "messages.json").read_bytes())
    return {
        key: Message(row["code"], Wording(row["id"], row["en"], row.get("fix_id", ""), row.get("fix_en", "")))
        for key, row in rows.items()
    }
