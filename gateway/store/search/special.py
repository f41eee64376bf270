"""The parameters that compare no value of one type: words, lists, positions."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import BadParameter
from .query import Special, split, unescaped
from .words import tsquery

if TYPE_CHECKING:
    from .conditions import Builder


def _words(builder: "Builder", special: Special) -> str:
    """Words as a search engine reads them (words.py)."""
    number = builder.number(special.parameter)
    asked = builder.arguments.add(tsquery(special.written, special.values[0]), "text")
    return (
        f"select i.resource from text_index i where i.facility = {builder.facility} and i.parameter = {number}"
        f" and to_tsvector('simple'::regconfig, i.words) @@ to_tsquery('simple'::regconfig, {asked})"
    )


def _listed(builder: "Builder", special: Special) -> str:
    """What the entries of a List refer to, by the id of the List."""
    if functional := [value for value in special.values if value.startswith("$")]:
        raise BadParameter(special.written, f"{functional[0]} is a list that nobody keeps here; name a List by its id")
    ids = builder.arguments.add([unescaped(v).removeprefix("List/") for v in special.values], "text[]")
    number = builder.arguments.add(builder.numbers["List"]["item"], "integer")
    type = builder.arguments.add(special.parameter.type, "text")
    return (
        f"select t.key from resource l join reference_index i on i.resource = l.key and i.parameter = {number}"
        f" join resource t on t.facility = l.facility and t.type = i.target_type and t.id = i.target_id"
        f" where l.facility = {builder.facility} and l.type = 'List' and l.id = any({ids}) and not l.deleted"
        f" and i.target_type = {type}"
    )


UNITS = {"": 1.0, "km": 1.0, "m": 0.001, "mi": 1.609344, "[mi_i]": 1.609344, "[mi_us]": 1.609347}
"""Unit of a distance → kilometres."""
NEAR = 50.0
"""Kilometres, where the search does not say."""
DEGREE = 111.19
"""Kilometres of one degree of latitude."""


def _near(builder: "Builder", special: Special) -> str:
    """`latitude|longitude|distance|unit`: positions within the distance along the earth's surface."""
    number, alternatives = builder.number(special.parameter), []
    for value in special.values:
        parts = [unescaped(part) for part in split(value, "|")]
        try:
            latitude, longitude, distance = float(parts[0]), float(parts[1]), float((parts[2:3] or [""])[0] or NEAR)
            distance *= UNITS[(parts[3:4] or [""])[0]]
            known = len(parts) <= 4 and abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= distance < 1e6
        except (ValueError, IndexError, KeyError):
            known = False
        if not known:
            wanted = "latitude|longitude, latitude|longitude|distance or latitude|longitude|distance|unit"
            raise BadParameter(special.written, f"{value!r} is not written {wanted}", [u for u in UNITS if u])
        south, north, at, of, far = (
            builder.arguments.add(n, "double precision")
            for n in (latitude - distance / DEGREE, latitude + distance / DEGREE, latitude, longitude, distance)
        )
        alternatives.append(
            f"(i.latitude >= {south} and i.latitude <= {north} and 12742.0176 * asin(least(1, sqrt("
            f"power(sin(radians(i.latitude - {at}) / 2), 2) + cos(radians({at})) * cos(radians(i.latitude))"
            f" * power(sin(radians(i.longitude - {of}) / 2), 2)))) <= {far})"
        )
    return (
        f"select i.resource from position_index i where i.facility = {builder.facility} and i.parameter = {number}"
        f" and ({' or '.join(alternatives)})"
    )


SPECIALS: dict[str, Callable[["Builder", Special], str]] = {"words": _words, "list": _listed, "position": _near}
"""Kind of a special parameter → the keys of the resources that meet it."""
