"""Run one FPML template given as text."""

from pathlib import Path
from typing import Any

from mappings.expressions import scope
from mappings.functions import functions
from mappings.language import UNDEFINED, Compiler
from mappings.run import Index, Run, current


def run(folder: Path, template: str, resource: Any, **variables: Any) -> Any:
    """The product of a template for a resource, None where it makes nothing."""
    (folder / "template.yaml").write_text(template, "utf-8")
    made = Compiler(functions({}, {}), lambda name: folder / name).file("template.yaml")
    index = Index(resource)
    token = current.set(Run(index, {}, {}, None, None))
    try:
        product = made(scope(resource, variables, index.resolve))
    finally:
        current.reset(token)
    return None if product is UNDEFINED else product
