"""Where the next page begins: the sort values of the last row shown, so that writes between pages move nothing."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from .errors import BadParameter

PARAMETER = "_cursor"
BACK = "-"
"""Begins the cursor of what lies before a row."""
_READ: dict[type, Callable[[Any], Any]] = {
    datetime: lambda value: datetime.fromisoformat(value),
    Decimal: lambda value: Decimal(value),
    int: lambda value: int(value),
    str: lambda value: str(value),
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The values of one row by which its page is sorted. `str()` is what a URL carries."""

    values: Sequence[Any]

    def __str__(self) -> str:
        # msgspec writes a datetime as ISO text and a Decimal as a string
        return base64.urlsafe_b64encode(msgspec.json.encode(self.values)).rstrip(b"=").decode("ascii")

    @classmethod
    def parse(cls, text: str, kinds: Sequence[type]) -> "Cursor":
        """Read what `str()` wrote. Raises BadParameter for anything else."""
        try:
            plain = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            values = [None if v is None else _READ[kind](v) for v, kind in zip(plain, kinds, strict=True)]
        except (binascii.Error, msgspec.DecodeError, ValueError, TypeError, InvalidOperation):
            raise BadParameter(PARAMETER, "is not a cursor that this search gave") from None
        return cls(values)
