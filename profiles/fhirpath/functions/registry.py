"""The table of functions, and how a plain Python function becomes an entry of it.

A plain function takes the items of its input and of each argument, and answers items; a truth function
answers True, False or None. A special form takes the compiler and the call itself, and makes its own closure (it
evaluates arguments per item, or not at all).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from profiles.fhirpath.engine import Closure, Compiler, Condition, from_condition
from profiles.fhirpath.environment import Environment
from profiles.fhirpath.errors import FHIRPathError
from profiles.fhirpath.syntax import Call
from profiles.fhirpath.values import Items

Form = Callable[[Compiler, Call, Closure], Closure]
ConditionForm = Callable[[Compiler, Call, Closure], Condition]
F = TypeVar("F", bound=Callable[..., Any])


class Function(NamedTuple):
    """`least` to `most` arguments; `form` makes the closure, `condition` the condition of a truth function."""

    least: int
    most: int
    form: Form
    condition: ConditionForm | None = None


FUNCTIONS: dict[str, Function] = {}


def function(*names: str, least: int = 0, most: int | None = None, env: bool = False) -> Callable[[F], F]:
    """Enter a plain function; with `env` it gets the Environment first."""

    def enter(python: F) -> F:
        entry = Function(least, least if most is None else most, _plain(python, env))
        FUNCTIONS.update(dict.fromkeys(names, entry))
        return python

    return enter


def truth_function(*names: str, least: int = 0, most: int | None = None, env: bool = False) -> Callable[[F], F]:
    """Enter a plain function that answers a truth."""

    def enter(python: F) -> F:
        condition: ConditionForm = _plain(python, env)
        entry = Function(least, least if most is None else most, _items_of(condition), condition)
        FUNCTIONS.update(dict.fromkeys(names, entry))
        return python

    return enter


def form(*names: str, least: int = 0, most: int | None = None) -> Callable[[Form], Form]:
    """Enter a special form."""

    def enter(python: Form) -> Form:
        FUNCTIONS.update(dict.fromkeys(names, Function(least, least if most is None else most, python)))
        return python

    return enter


def condition_form(*names: str, least: int = 0, most: int | None = None) -> Callable[[ConditionForm], ConditionForm]:
    """Enter a special form that answers a truth."""

    def enter(python: ConditionForm) -> ConditionForm:
        entry = Function(least, least if most is None else most, _items_of(python), python)
        FUNCTIONS.update(dict.fromkeys(names, entry))
        return python

    return enter


def _items_of(condition: ConditionForm) -> Form:
    return lambda compiler, call, base: from_condition(condition(compiler, call, base))


def _plain(python: Callable[..., Any], takes_env: bool) -> Any:
    def make(compiler: Compiler, call: Call, base: Closure) -> Any:
        arguments = [compiler.items(argument) for argument in call.arguments]
        place = call.place
        if takes_env:
            return _guarded_env(python, base, arguments, place)
        if not arguments:
            return _guarded_0(python, base, place)
        if len(arguments) == 1:
            return _guarded_1(python, base, arguments[0], place)
        return _guarded_n(python, base, arguments, place)

    return make


def _guarded_0(python: Callable[..., Any], base: Closure, place: tuple[int, int]) -> Any:
    def run(this: Items, env: Environment) -> Any:
        try:
            return python(base(this, env))
        except FHIRPathError as error:
            raise error.at(place) from None

    return run


def _guarded_1(python: Callable[..., Any], base: Closure, argument: Closure, place: tuple[int, int]) -> Any:
    def run(this: Items, env: Environment) -> Any:
        try:
            return python(base(this, env), argument(this, env))
        except FHIRPathError as error:
            raise error.at(place) from None

    return run


def _guarded_n(python: Callable[..., Any], base: Closure, arguments: list[Closure], place: tuple[int, int]) -> Any:
    def run(this: Items, env: Environment) -> Any:
        try:
            return python(base(this, env), *[argument(this, env) for argument in arguments])
        except FHIRPathError as error:
            raise error.at(place) from None

    return run


def _guarded_env(python: Callable[..., Any], base: Closure, arguments: list[Closure], place: tuple[int, int]) -> Any:
    def run(this: Items, env: Environment) -> Any:
        try:
            return python(env, base(this, env), *[argument(this, env) for argument in arguments])
        except FHIRPathError as error:
            raise error.at(place) from None

    return run
