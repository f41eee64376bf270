"""SATUSEHAT, the ministry's national FHIR service."""

from gateway.connectors.satusehat.client import Satusehat, Stored
from gateway.connectors.satusehat.rate import SharedBucket, shared

__all__ = ["Satusehat", "SharedBucket", "Stored", "shared"]
