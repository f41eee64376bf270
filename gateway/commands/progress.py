"""A progress bar on standard error for runs that take long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def bar(total: int) -> Iterator[Callable[[], None]]:
    """A bar of `total` steps; its value is called once a step."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("validate", total=total)
        yield lambda: progress.advance(task)
