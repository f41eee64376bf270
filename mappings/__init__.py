"""How one shape becomes another: mapping modules written in FPML, compiled once.

`load(name, overlay)` gives the module in force, `module(source, **context)` or `module.step(name)(source, **context)`
the product, `step.check(product)` what the target's schema says against it. A value that must be there and is not
raises `Held`.
"""

from mappings.errors import Held, MappingError, Reason
from mappings.module import Module, Step
from mappings.registry import called_for, load, modules, options, prove

__all__ = ["Held", "MappingError", "Module", "Reason", "Step", "called_for", "load", "modules", "options", "prove"]
