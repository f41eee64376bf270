"""The time that a request may take, kept with one timer for all requests under way.

`asyncio.timeout` sets and clears a timer for each request, which costs a read a twentieth of its time. All requests
have the same time, so the one that began first is due first, and one timer at the front is enough.
"""

import asyncio


class Deadlines:
    """Tasks under way in the order of their beginning. `begin`, then `end` in a finally block."""

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> asyncio.Task[object]:
        """Give the current task this much time; it is cancelled when it takes longer."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        due = self._due[task] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._sweep)
        return task

    def renew(self, seconds: float) -> None:
        """Give the current task this much time from now on: it brings or takes something, piece by piece."""
        task = asyncio.current_task()
        if task is not None and self._due.pop(task, None) is not None:
            self._due[task] = asyncio.get_running_loop().time() + seconds

    def end(self, task: asyncio.Task[object]) -> None:
        """The task is done. Raises TimeoutError in the place of the cancellation that this object caused."""
        self._due.pop(task, None)
        if task in self._late:
            self._late.remove(task)
            task.uncancel()
            raise TimeoutError

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, due in list(self._due.items()):
            if due > loop.time():
                self._timer = loop.call_at(due, self._sweep)
                return
            del self._due[task]
            self._late.add(task)
            task.cancel()
