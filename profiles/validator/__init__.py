"""The validator: is this resource what FHIR R4, a profile and the ministry's rules say it must be?"""

from profiles.validator.issue import Issue, Wording, is_valid, outcome
from profiles.validator.sources import INDONESIA
from profiles.validator.validator import Validator

__all__ = ["INDONESIA", "Issue", "Validator", "Wording", "is_valid", "outcome"]
