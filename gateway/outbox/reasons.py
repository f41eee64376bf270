"""The reasons of `reasons.yaml`, filled in."""

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
    said: str | None = None,
    *,
    row: int | str = "",
    attempts: int = 0,
    issues: tuple[dict[str, Any], ...] = (),
) -> Reason:
    """The reason `code` in both languages. Raises KeyError for a code that `reasons.yaml` does not have."""
    values = {
        "destination": NAMES.get(destination, destination),
        "key": destination,
        "said": (said or "").strip().rstrip("."),
        "row": row,
        "attempts": attempts,
    }
    texts = _texts()[code]
    return Reason(code, texts["id"].format(**values), texts["en"].format(**values), said, issues)


def said(error: DestinationError) -> str:
    """The destination's words with its number, and the element it complains about."""
    text = f"{error.text} ({error.code})" if error.code and error.code not in error.text else error.text
    return f"{text} [{error.element}]" if error.element else text
