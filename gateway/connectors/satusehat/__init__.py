"""SATUSEHAT, the ministry's national FHIR service."""

from gateway.connectors.satusehat.client import Satusehat, Stored

__all__ = ["Satusehat", "Stored"]
