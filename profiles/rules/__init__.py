"""The ministry's numbered rules: which of them a payload breaks before it is sent to SATUSEHAT."""

from profiles.rules.book import Rule, rules
from profiles.rules.engine import Rules
from profiles.rules.findings import NOTHING, Finding

__all__ = ["NOTHING", "Finding", "Rule", "Rules", "rules"]
