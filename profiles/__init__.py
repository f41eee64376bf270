"""What FHIR means here: definitions, FHIRPath, the validator, terminology, the Indonesian profiles and rules."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from profiles.validator import INDONESIA, Issue, Validator, is_valid, outcome

__all__ = ["INDONESIA", "Issue", "Validator", "is_valid", "outcome"]


def __getattr__(name: str) -> Any:
    """The validator's names, imported when they are asked for: rooms below it must not pay for it."""
    if name in __all__:
        from profiles import validator

        return getattr(validator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
