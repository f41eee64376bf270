"""`gapura fhirpath EXPR FILE`: the result as a JSON array on one line."""

import argparse
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("expression", metavar="EXPR", help="a FHIRPath expression")
    parser.add_argument("file", metavar="FILE", help="a FHIR resource as JSON; - reads standard input")
    parser.add_argument("--strict", action="store_true", help="refuse steps by an order that is not defined")
    parser.add_argument("--trace", action="store_true", help="show what trace() is given on standard error")


def run(args: argparse.Namespace) -> int:
    """Print the result; 2 for a bad expression or an unreadable file."""
    from profiles import fhirpath
    from profiles.fhirjson import FhirJsonError, decode, encode

    variables: dict[str, Any] = {}
    if args.trace:
        variables["trace"] = lambda name, values: print(f"{name}: {_line(encode, values)}", file=sys.stderr)
    try:
        fhirpath.compile(args.expression, strict=args.strict, variables=())
        raw = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
        resource = decode(raw)
        name = resource.get("resourceType")
        type_ = name if isinstance(name, str) and fhirpath.is_type(name) else None
        print(_line(encode, fhirpath.compile(args.expression, type_)(resource, **variables)))
    except fhirpath.FHIRPathError as error:
        return _refuse(_pointed(args.expression, error))
    except FhirJsonError as error:
        place = f":{error.line}:{error.column}" if error.line else ""
        return _refuse(f"{args.file}{place}: {error}")
    except OSError as error:
        return _refuse(f"{args.file}: {error.strerror}")
    return 0


def _refuse(message: str) -> int:
    print(f"gapura fhirpath: {message}", file=sys.stderr)
    return 2


def _line(encode: Any, values: list[Any]) -> str:
    return str(encode([_plain(value) for value in values]).decode())


def _plain(value: Any) -> Any:
    """JSON for a value: a Quantity as value and unit, a date or time as its text."""
    from profiles.fhirpath import Quantity
    from profiles.fhirpath.temporal import Temporal

    if isinstance(value, Quantity):
        return {"value": value.value, "unit": value.unit}
    return str(value) if isinstance(value, Temporal) else value


def _pointed(expression: str, error: Any) -> str:
    """The message, with the line of the expression and a caret below the place."""
    if error.column is None:
        return str(error)
    line = expression.splitlines()[error.line - 1] if expression else ""
    return f"{error}\n  {line}\n  {' ' * (error.column - 1)}^"
