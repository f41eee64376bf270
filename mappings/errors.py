"""What a mapping may say went wrong: the module itself is wrong, or the data does not allow a product."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class MappingError(ValueError):
    """A module cannot be used, or its template failed on a value: names the file, the line (from 1) and the value."""

    def __init__(self, message: str, file: Path | str | None = None, line: int | None = None) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message)
        self.message, self.file, self.line = message, str(file) if file else None, line


@dataclass(frozen=True, slots=True)
class Reason:
    """Why no product may be made. `key` names the reason in the module's head, `path` the element to mend."""

    key: str
    path: str
    id: str
    en: str
    value: str | None = None

    def text(self, lang: str = "id") -> str:
        """The reason in `id` (Indonesian) or `en` (English)."""
        return self.en if lang == "en" else self.id


class Held(Exception):
    """Values that must be there are not: nothing is invented, the delivery waits. Carries every reason at once."""

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = tuple(dict.fromkeys(reasons))
        super().__init__("; ".join(f"{r.path}: {r.en}" for r in self.reasons))


def known(name: str, valid: Iterable[str], what: str, file: Path | str | None = None, line: int | None = None) -> str:
    """`name` itself if it is among `valid`; otherwise a MappingError that names the valid ones."""
    names = sorted(valid)
    if name not in names:
        raise MappingError(f"unknown {what} {name!r}; valid are {', '.join(names) or '(none)'}", file, line)
    return name
