"""The reasons of `reasons.yaml`, filled in."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gateway.connectors.errors import DestinationError
from gateway.outbox.rows import Reason

NAMES = {"vclaim": "BPJS VClaim", "satusehat": "SATUSEHAT"}


@cache
def _texts() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "reasons.yaml").read_text("utf-8"))
    return found


def reason(
    code: str,
    destination: str,
    said: str | Mapping[str, str] = "",
    *,
    row: int | str = "",
    attempts: int = 0,
    issues: tuple[dict[str, Any], ...] = (),
) -> Reason:
    """The reason `code` in both languages; `said` is what the destination or the check said, by language or as it is.

    Raises KeyError for a code that `reasons.yaml` does not have.
    """
    values = {
        "destination": NAMES.get(destination, destination),
        "key": destination,
        "row": row,
        "attempts": attempts,
    }
    words = {"id": said, "en": said} if isinstance(said, str) else said
    texts = {lang: _texts()[code][lang].format(said=words[lang].strip().rstrip("."), **values) for lang in ("id", "en")}
    return Reason(code, texts["id"], texts["en"], issues)


def said(error: DestinationError) -> dict[str, str]:
    """What went wrong, by language: the checks' own issues, or the destination's words, number and element, with what
    to do about it where that is known."""
    issues = getattr(error, "issues", ())
    if issues:
        return {lang: "; ".join(_told(issue, lang) for issue in issues) for lang in ("id", "en")}
    text = f"{error.text} ({error.code})" if error.code and error.code not in error.text else error.text
    text = f"{text.strip()} [{error.element}]" if error.element else text.strip()
    return {lang: f"{text}. {error.fix[lang]}" if lang in error.fix else text for lang in ("id", "en")}


def _told(issue: Mapping[str, Any], lang: str) -> str:
    text = str(issue[lang]).strip().rstrip(".")
    return text if issue["path"] in text else f"{text} [{issue['path']}]"
