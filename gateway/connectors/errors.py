"""What a connector may say went wrong: the outbox decides by the class alone what happens to the delivery."""

from collections.abc import Mapping, Sequence


class DestinationError(Exception):
    """A delivery did not end well. `text` is the destination's own words; it never holds credentials.

    `code` is the destination's own number, `element` the path in the payload that it complains about, and `fix` what
    to do about it by language (`id`, `en`): each is there where it is known.
    """

    def __init__(
        self, text: str, *, code: str | None = None, element: str | None = None, fix: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.text, self.code, self.element, self.fix = text, code, element, dict(fix or {})


class Refused(DestinationError):
    """The destination judged the payload and said no: a person must mend the data. `code` is its own number."""


class Duplicate(Refused):
    """It already has this one. `existing` is the number or id that it names, None where it names none."""

    def __init__(
        self,
        text: str,
        *,
        code: str | None = None,
        element: str | None = None,
        fix: Mapping[str, str] | None = None,
        existing: str | None = None,
    ) -> None:
        super().__init__(text, code=code, element=element, fix=fix)
        self.existing = existing


class NotFound(Refused):
    """It knows no such person, referral, SEP or resource."""


class Ambiguous(Refused):
    """Several answer to the same identifier, none of which may be picked. `candidates` are their ids."""

    def __init__(self, text: str, *, candidates: Sequence[str], code: str | None = None) -> None:
        super().__init__(text, code=code)
        self.candidates = tuple(candidates)


class Held(DestinationError):
    """Something must exist or be mended first: look again when the visit changes."""


class Misconfigured(DestinationError):
    """Credentials or organisation are wrong: nothing of this facility can succeed there until an operator acts."""


class Unavailable(DestinationError):
    """Nothing was done at the destination: the same request may be sent again later."""


class Throttled(Unavailable):
    """Too many requests. `retry_after` is in seconds, None where the destination did not say."""

    def __init__(self, text: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(text, code=code)
        self.retry_after = retry_after


class OutcomeUnknown(DestinationError):
    """It was sent and no trustworthy answer came: ask by business key before sending again."""
