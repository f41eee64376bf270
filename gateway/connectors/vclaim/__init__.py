"""BPJS VClaim: eligibility, referrals and SEPs."""

from gateway.connectors.vclaim.client import VClaim, is_answer_to

__all__ = ["VClaim", "is_answer_to"]
