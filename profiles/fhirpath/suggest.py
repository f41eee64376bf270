"""A guess at what was meant by a name that does not exist."""

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'given'?`, or nothing where no known name is near."""
    from difflib import get_close_matches  # only wanted when something is already wrong

    found = get_close_matches(name, list(known), 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
