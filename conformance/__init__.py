"""What happened, proven: audits over stored data, and reports."""

from conformance.audit import Audit, Path, audit
from conformance.model import Delivery, Period, Received, Request, Visit
from conformance.rendering import FORMATS, digest

__all__ = ["FORMATS", "Audit", "Delivery", "Path", "Period", "Received", "Request", "Visit", "audit", "digest"]
