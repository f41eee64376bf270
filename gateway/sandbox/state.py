"""Everything the sandbox remembers, of both systems; a reset begins again from the seed files."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.sandbox.faults import Faults
from gateway.sandbox.satusehat.shelf import Shelf
from gateway.sandbox.satusehat.tokens import Tokens
from gateway.sandbox.seed import Account, load
from gateway.sandbox.vclaim.books import Books

REMEMBERED_REQUESTS = 10_000


class State:
    """The simulated systems' memory. `seeds` are files read after the shipped ones (see `gateway.sandbox.seed`)."""

    def __init__(self, seeds: Sequence[Path] = ()) -> None:
        self._seeds = tuple(seeds)
        self.faults = Faults()
        self.reset()

    def reset(self) -> None:
        """Forget everything that was sent, every token, and every fault that was asked for."""
        self.seed = load(self._seeds)
        self.books = Books(self.seed)
        self.shelf = Shelf(self.seed)
        self.tokens = Tokens()
        self.faults.clear()
        self.requests: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_REQUESTS)

    def account(self, kode_faskes: str) -> Account:
        """The account of one facility."""
        return self.seed.accounts[kode_faskes]

    def shown(self) -> dict[str, Any]:
        """What was sent here and kept, for assertions: SEPs, onward referrals, resources by type, requests."""
        return {
            "seps": {
                number: {"tglPulang": sep.tgl_pulang, "t_sep": sep.t_sep}
                for number, sep in self.books.seps.items()
                if number not in self.seed.seps
            },
            "rujukan": self.books.onward,
            "resources": self.shelf.sent(),
            "requests": list(self.requests),
            "faults": self.faults.shown(),
        }
