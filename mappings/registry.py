"""Finding, loading and keeping modules: shipped ones, a site's overlay over them, and the version in force."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mappings import examples
from mappings.errors import MappingError, known
from mappings.head import Option
from mappings.language import SHIPPED
from mappings.module import Module, Step
from profiles.fhirjson import Resource

log = logging.getLogger("gapura.mappings")


@dataclass(slots=True)
class _Slot:
    tried: frozenset[tuple[str, int, int]]
    module: Module | None
    error: MappingError | None


_slots: dict[tuple[str, Path | None], _Slot] = {}


def modules(overlay: Path | None = None) -> tuple[str, ...]:
    """Names of the modules there are: shipped, and those of the site's folder."""
    roots = [SHIPPED, *([overlay] if overlay else [])]
    return tuple(sorted({path.parent.relative_to(root).as_posix() for root in roots for path in _heads(root)}))


def load(name: str, overlay: Path | None = None) -> Module:
    """The module in force.

    Files that changed since are compiled and proven by their examples first; if that fails the previous version stays
    in force (the failure is logged). Raises MappingError where there is no version at all that works.
    """
    folders = _folders(known(name, modules(overlay), "module"), overlay)
    state = _state(folders)
    slot = _slots.get((name, overlay))
    if slot is None or slot.tried != state:
        previous = slot.module if slot else None
        try:
            slot = _Slot(state, _fresh(name, folders), None)
        except MappingError as error:
            slot = _Slot(state, previous, error)
            kept = ", the previous version stays in force" if previous else ""
            log.error("mapping module %s refused%s: %s", name, kept, error)
        _slots[name, overlay] = slot
    if slot.module is None:
        assert slot.error is not None
        raise slot.error
    return slot.module


def called_for(resource: Resource, overlay: Path | None = None) -> list[Step]:
    """The steps, of all modules, that writing this resource calls for."""
    return [step for name in modules(overlay) for step in load(name, overlay).steps.values() if step.wants(resource)]


def options(overlay: Path | None = None) -> dict[str, Option]:
    """Every option that some module reads from `facility.options`."""
    return {key: option for name in modules(overlay) for key, option in load(name, overlay).head.options.items()}


def prove(name: str, overlay: Path | None = None) -> int:
    """Compile the module as its files are now and run its examples; how many there were. Raises MappingError."""
    folders = _folders(known(name, modules(overlay), "module"), overlay)
    return examples.prove(Module(name, _finder(folders)), [folder / "examples" for folder in folders])


def _fresh(name: str, folders: list[Path]) -> Module:
    module = Module(name, _finder(folders))
    examples.prove(module, [folder / "examples" for folder in folders])
    return module


def _heads(root: Path) -> list[Path]:
    return sorted(root.glob("*/*/module.yaml"))


def _folders(name: str, overlay: Path | None) -> list[Path]:
    return [SHIPPED / name, *([overlay / name] if overlay else [])]


def _finder(folders: list[Path]) -> Callable[[str], Path]:
    # A module's own file wins over one its neighbours share; within each, the site's wins over the shipped one.
    places = [*reversed(folders), *(folder.parent for folder in reversed(folders))]

    def find(name: str) -> Path:
        for place in places:
            if (found := place / name).is_file():
                return found
        raise MappingError(f"there is no file {name!r} in {folders[0].name} or beside it")

    return find


def _state(folders: list[Path]) -> frozenset[tuple[str, int, int]]:
    found = set()
    for folder in folders:
        for path in (*folder.rglob("*"), *folder.parent.glob("*.yaml")):
            if path.is_file():
                status = path.stat()
                found.add((str(path), status.st_mtime_ns, status.st_size))
    return frozenset(found)
