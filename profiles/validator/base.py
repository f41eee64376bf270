"""R4's types as Python source: a function for each type and backbone element, a yes or no or its twin."""

from profiles.definitions import Definitions
from profiles.validator.fast import Fast
from profiles.validator.objects import data_types, objects
from profiles.validator.report import Report
from profiles.validator.source import Source


def data_types_source(definitions: Definitions, reports: bool) -> str:
    return _source(definitions, data_types(definitions), reports)


def resource_source(definitions: Definitions, name: str, reports: bool) -> str:
    """Raises KeyError for an unknown resource type."""
    return _source(definitions, [name], reports)


def _source(definitions: Definitions, names: list[str], reports: bool) -> str:
    source = Source(reports)
    writer = (Report if reports else Fast)(definitions, source)
    for name in names:
        for each in objects(definitions, name):
            writer.write(each)
    return source.text()
