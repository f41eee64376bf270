"""What a value asks of one index row, per parameter type. `i` is the row's alias."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import tzinfo
from typing import TypeVar

from profiles import definitions

from ..emit import A_PART, LITERAL
from ..errors import BadParameter
from ..extract import PHONETIC
from ..values import (
    NO_SYSTEM,
    code_of,
    contact,
    folded,
    phonetic,
    squeezed,
    system_number,
)
from .arguments import Arguments
from .query import Criterion, split, unescaped
from .ranges import amount, date, holds, overlaps, quantity

BEYOND = "\U0010ffff"
"""Sorts after every continuation of a prefix."""
SQUEEZED = 200
"""Characters of a string that the b-tree of `string_index` holds."""

T = TypeVar("T", int, str)
Matcher = Callable[[Criterion, str, Arguments, tzinfo], str]


def token(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """`code`, `system|code`, `|code`, `system|`."""
    system, bar, code = _parted(text)
    if not bar:
        system, code = "", system
    conditions = []
    if code:
        conditions.append(_is(codes(criterion, system, code), arguments))
    if bar and (system or code):
        conditions.append(f"i.system = {arguments.add(system_number(system) if system else NO_SYSTEM, 'bigint')}")
    if not conditions:
        raise BadParameter(criterion.written, "has no value", ("code", "system|code", "|code", "system|"))
    return " and ".join(conditions)


def codes(criterion: Criterion, system: str, code: str) -> list[str]:
    """How the index may hold a code: the case counts where it is known to, or cannot be told."""
    types = criterion.parameter.types
    if criterion.modifier == "identifier" or criterion.parameter.as_written:
        return [squeezed(code)]
    if types == {"ContactPoint"}:
        return [squeezed(contact(code))]
    if system or types == {"string"}:
        return [code_of(system, code)]
    return list(dict.fromkeys((squeezed(code), squeezed(code.lower()))))


def _is(codes: list[str], arguments: Arguments) -> str:
    if len(codes) == 1:
        return f"i.code = {arguments.add(codes[0], 'text')}"
    return f"i.code = any({arguments.add(codes, 'text[]')})"


def of_type(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """`system|code|value` of an identifier's type and value."""
    parts = [unescaped(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts[1:]):
        raise BadParameter(criterion.written, f"{text!r} is not written system|code|value")
    system = arguments.add(system_number(parts[0]) if parts[0] else NO_SYSTEM, "bigint")
    wanted = squeezed(f"{code_of(parts[0], parts[1])}|{parts[2]}")
    return f"i.system = {system} and i.code = {arguments.add(wanted, 'text')}"


def media(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A media type with whatever parameters (`text/xml`), or any of a kind (`image`); what the codes above and below
    another are must have been looked up (vocabulary.py)."""
    wanted = unescaped(text)
    if "|" in text or criterion.modifier != "below":
        raise BadParameter(criterion.written, "cannot be asked here, only in a search")
    sign = ";" if "/" in wanted else "/"
    low, high = arguments.add(wanted + sign, "text"), arguments.add(wanted + sign + BEYOND, "text")
    return f"(i.code = {arguments.add(wanted, 'text')} or (i.code >= {low} and i.code < {high}))"


def member(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A code of a value set that is shipped, named by its url."""
    found = definitions.value_set(unescaped(text))
    if found is None:
        raise BadParameter(criterion.written, f"the codes of the value set {text!r} are not known here")
    return one_of(found, arguments)


def one_of(codes: Iterable[tuple[str, str]], arguments: Arguments) -> str:
    """One of these (system, code)."""
    return _among(
        ((system_number(system), code_of(system, code)) for system, code in codes),
        lambda system, codes: (
            f"i.system = {arguments.add(system, 'bigint')} and i.code = any({arguments.add(codes, 'text[]')})"
        ),
    )


def one_reference(targets: Iterable[tuple[str, str]], arguments: Arguments) -> str:
    """A reference to one of these (type, id)."""
    return _among(
        targets,
        lambda type, ids: (
            f"i.target_type = {arguments.add(type, 'text')} and i.target_id = any({arguments.add(ids, 'text[]')})"
        ),
    )


def _among(pairs: Iterable[tuple[T, str]], written: Callable[[T, list[str]], str]) -> str:
    """Alternatives for each first part: so the planner knows how common they are, and an index how to find them."""
    grouped: dict[T, list[str]] = {}
    for first, second in pairs:
        grouped.setdefault(first, []).append(second)
    return " or ".join(f"({written(first, seconds)})" for first, seconds in grouped.items()) or "false"


def _folded(criterion: Criterion, text: str) -> str:
    fold = phonetic if criterion.parameter.code == PHONETIC else folded
    found = fold(unescaped(text))
    if not found:
        raise BadParameter(criterion.written, f"{text!r} holds neither a letter nor a digit")
    return found


def starts(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that begins so, whatever its case, accents and punctuation."""
    wanted = _folded(criterion, text)
    short = wanted[:SQUEEZED]
    low = arguments.add(short, "text")
    if len(wanted) < SQUEEZED:
        high = arguments.add(short + BEYOND, "text")
        return f"left(i.folded, {SQUEEZED}) >= {low} and left(i.folded, {SQUEEZED}) < {high}"
    whole = arguments.add(wanted, "text")
    return f"left(i.folded, {SQUEEZED}) = {low} and starts_with(i.folded, {whole})"


def exactly(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that is the same to the letter."""
    wanted = unescaped(text)
    fold = phonetic if criterion.parameter.code == PHONETIC else folded
    short = arguments.add(fold(wanted)[:SQUEEZED], "text")
    return f"left(i.folded, {SQUEEZED}) = {short} and i.exact = {arguments.add(wanted, 'text')}"


def equals(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that is the same, whatever its case, accents and punctuation."""
    wanted = _folded(criterion, text)
    short, whole = arguments.add(wanted[:SQUEEZED], "text"), arguments.add(wanted, "text")
    return f"{WHOLE} and left(i.folded, {SQUEEZED}) = {short} and i.folded = {whole}"


def ends(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that ends so, whatever its case, accents and punctuation."""
    wanted = _folded(criterion, text)
    return f"right(i.folded, {len(wanted)}) = {arguments.add(wanted, 'text')}"


def contains(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that holds it anywhere, whatever its case, accents and punctuation."""
    return f"position({arguments.add(_folded(criterion, text), 'text')} in i.folded) > 0"


WHOLE = f"i.exact <> '{A_PART}'"


def beside(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A string that comes before or after, by its code points (`gt`, `lt`, `ge`, `le` of `_filter`)."""
    sign = {"gt": ">", "lt": "<", "ge": ">=", "le": "<="}[criterion.modifier]
    return f"{WHOLE} and i.folded {sign} {arguments.add(_folded(criterion, text), 'text')}"


def unlike(matches: Matcher, also: str) -> Matcher:
    """A value that is another: what `ne` of `_filter` asks of one item of several."""

    def other(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
        return f"{also} and not ({matches(replace(criterion, modifier=''), text, arguments, zone)})"

    return other


def reference(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """`id`, `Type/id`, a url; `:Type` names the type of an id."""
    wanted = unescaped(text)
    if criterion.modifier:
        wanted = f"{criterion.modifier}/{wanted}" if "/" not in wanted else wanted
    elif len(criterion.parameter.targets) == 1 and ":" not in wanted and "/" not in wanted:
        wanted = f"{criterion.parameter.targets[0]}/{bare_id(criterion, text)}"
    if match := LITERAL.fullmatch(wanted):
        type, id = arguments.add(match[1], "text"), arguments.add(match[2], "text")
        return f"i.target_type = {type} and i.target_id = {id}"
    if ":" in wanted:
        return f"i.target_type = '' and i.target_id = {arguments.add(squeezed(wanted), 'text')}"
    id = arguments.add(bare_id(criterion, text), "text")
    return f"i.target_id = {id} and i.target_type = any({arguments.add(list(criterion.parameter.targets), 'text[]')})"


def bare_id(criterion: Criterion, text: str) -> str:
    """The id that a reference is asked for by. Raises BadParameter."""
    if not re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", text, re.ASCII):
        raise BadParameter(criterion.written, f"{text!r} is not an id, a reference or a url")
    return text


def canonical(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """A canonical url of whatever version (`url`), or of one below it (`url|1` is 1, 1.0 and 1.2.3); the resources
    above and below another must have been looked up (vocabulary.py)."""
    wanted = unescaped(text)
    if ":" not in wanted or criterion.modifier != "below":
        raise BadParameter(criterion.written, f"{text!r} leads to no resources that are parts of each other")
    same = f"i.target_id = {arguments.add(squeezed(wanted), 'text')}"
    if "|" not in wanted:
        return f"i.target_type = '' and {same}"
    low, high = arguments.add(f"{wanted}.", "text"), arguments.add(f"{wanted}.{BEYOND}", "text")
    return f"i.target_type = '' and ({same} or (i.target_id >= {low} and i.target_id < {high}))"


def uri(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """The same uri."""
    return f"i.uri = {arguments.add(squeezed(unescaped(text)), 'text')}"


def below(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """The uri or one under its path."""
    whole = unescaped(text)
    under = whole.rstrip("/") + "/"
    same = arguments.add([whole, under, under.rstrip("/")], "text[]")
    low, high = arguments.add(under, "text"), arguments.add(under + BEYOND, "text")
    return f"(i.uri = any({same}) or (i.uri >= {low} and i.uri < {high}))"


def above(criterion: Criterion, text: str, arguments: Arguments, zone: tzinfo) -> str:
    """The uri or one that its path is under."""
    return f"i.uri = any({arguments.add(list(_above(unescaped(text))), 'text[]')})"


def _above(uri: str) -> Iterator[str]:
    yield squeezed(uri)
    scheme, separator, rest = uri.partition("://")
    parts = rest.rstrip("/").split("/")
    for length in range(len(parts), 0, -1):
        path = scheme + separator + "/".join(parts[:length])
        yield path
        yield path + "/"


def _parted(text: str) -> tuple[str, bool, str]:
    parts = split(text, "|")
    if len(parts) == 1:
        return unescaped(parts[0]), False, ""
    return unescaped(parts[0]), True, unescaped("|".join(parts[1:]))


ANY = "true"
MATCHERS: dict[tuple[str, str], tuple[str, Matcher]] = {
    ("token", ""): ("token_index", token),
    ("token", "not"): ("token_index", token),
    ("token", "!="): ("token_index", unlike(token, "i.code <> ''")),
    ("token", "in"): ("token_index", member),
    ("token", "not-in"): ("token_index", member),
    ("token", "above"): ("token_index", media),
    ("token", "below"): ("token_index", media),
    ("token", "of-type"): ("token_index", of_type),
    ("token", "text"): ("string_index", starts),
    ("string", ""): ("string_index", starts),
    ("string", "="): ("string_index", equals),
    ("string", "!="): ("string_index", unlike(equals, WHOLE)),
    ("string", "ends"): ("string_index", ends),
    ("string", "exact"): ("string_index", exactly),
    ("string", "contains"): ("string_index", contains),
    **{("string", sign): ("string_index", beside) for sign in ("gt", "lt", "ge", "le")},
    ("date", ""): ("date_index", date),
    ("date", "overlaps"): ("date_index", overlaps),
    ("date", "holds"): ("date_index", holds),
    ("number", ""): ("number_index", amount),
    ("quantity", ""): ("quantity_index", quantity),
    ("reference", ""): ("reference_index", reference),
    ("reference", "!="): ("reference_index", unlike(reference, ANY)),
    ("reference", "above"): ("reference_index", canonical),
    ("reference", "below"): ("reference_index", canonical),
    ("reference", "identifier"): ("token_index", token),
    ("uri", ""): ("uri_index", uri),
    ("uri", "!="): ("uri_index", unlike(uri, ANY)),
    ("uri", "below"): ("uri_index", below),
    ("uri", "above"): ("uri_index", above),
}
"""(type, modifier) → the table to look in and what to ask of its rows. What no client can write after a colon is for
`_filter`; what `above`, `below`, `in` and `not-in` mean is looked up beforehand (vocabulary.py)."""

NEGATIVE = frozenset({"not", "not-in"})


def matcher(criterion: Criterion) -> tuple[str, Matcher]:
    """The table and matcher of a criterion; a reference's `:Type` asks what the plain one does."""
    kind = criterion.parameter.kind
    return MATCHERS.get((kind, criterion.modifier)) or MATCHERS[kind, ""]
