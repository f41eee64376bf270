"""The outbox: durable delivery of what writes call for. `plan` writes the wishes, a `Worker` carries them out."""

from gateway.outbox.attempt import Attempt
from gateway.outbox.plan import plan
from gateway.outbox.rows import OPEN, STATES, Planned, Reason, Row, Settlement, State
from gateway.outbox.running import delivering
from gateway.outbox.worker import Deliver, Worker

__all__ = [
    "OPEN",
    "STATES",
    "Attempt",
    "Deliver",
    "Planned",
    "Reason",
    "Row",
    "Settlement",
    "State",
    "Worker",
    "delivering",
    "plan",
]
