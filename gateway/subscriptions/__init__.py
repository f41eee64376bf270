"""Subscriptions: who wants to be told of what, matched at every write and delivered by the outbox."""

from gateway.parts import Secrets
from gateway.subscriptions.admission import admit
from gateway.subscriptions.endpoint import Allowed
from gateway.subscriptions.room import delivering_all
from gateway.subscriptions.watch import Watch

__all__ = ["Allowed", "Secrets", "Watch", "admit", "delivering_all"]
