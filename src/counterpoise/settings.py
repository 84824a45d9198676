"""Objects that a run file names, built from its settings, with errors a user can act on."""

from __future__ import annotations

import functools
import inspect
import keyword
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from counterpoise.errors import ConfigError, CounterpoiseError, UnknownNameError, error_line, nearest
from counterpoise.ranges import expected, interval

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator, ValidationError

__all__ = [
    "adopted",
    "check_number",
    "construct",
    "described",
    "known_names",
    "names_of",
    "setting_name",
    "setting_value",
    "settings",
]

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def settings(where: str, *, frozen: bool = True) -> Callable[[type[T]], type[T]]:
    """A keyword-only dataclass whose fields are settings, checked against their annotations however it is built.

    Numbers are finite, a boolean is not a number, and what the annotations cannot say (one setting that bounds another) stays in the
    class's `__post_init__`. pydantic, which does the checking, is imported when the first object is built that was given any.

    Args:
        where: what messages begin with, e.g. `credit.rule grpo`.
        frozen: False for a class that has state beside its settings, which its `__post_init__` begins.

    Raises:
        ConfigError: by the class, when a setting is unknown (the nearest valid one is named), missing, or not what is expected.
    """

    def make(plain: type[T]) -> type[T]:
        return _check_made(where, dataclass(frozen=frozen, slots=frozen, kw_only=True, eq=frozen)(plain))

    return make


def adopted(where: str, plain: type[T], defaults: Mapping[str, Any] = MappingProxyType({})) -> type[T]:
    """Somebody else's class, with its settings checked as ours are: the fields of a dataclass, or none.

    Args:
        where: what messages begin with.
        plain: the class, which stays as it is: what is returned is made from it.
        defaults: attributes that are added where it has none.

    Raises:
        ConfigError: it is not a dataclass, and has to be given something.
    """
    if not is_dataclass(plain) and (needed := _parameters(plain)):
        raise ConfigError(
            f"{where}: {plain.__name__} takes {', '.join(needed)} and is not a dataclass, so its settings cannot be checked; write them as "
            "annotated fields under @dataclass"
        )
    body = {"__module__": plain.__module__, "__qualname__": plain.__qualname__, "__doc__": plain.__doc__}
    body |= {name: value for name, value in defaults.items() if not hasattr(plain, name)}
    made: Any = type(plain.__name__, (plain,), body)
    if hasattr(plain, "__pydantic_config__"):  # `settings` made it
        return made  # type: ignore[no-any-return]
    if not is_dataclass(plain):
        made.__dataclass_fields__ = {}
    ours: type[T] = _check_made(where, made)
    return ours


def _parameters(plain: type) -> list[str]:
    """What a class that is not a dataclass has to be given."""
    if plain.__init__ is object.__init__:  # type: ignore[misc]
        return []
    own = inspect.signature(plain.__init__).parameters.values()  # type: ignore[misc]
    packed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in own if one.default is one.empty and one.kind not in packed][1:]


def _check_made(where: str, made: type[T]) -> type[T]:
    """Let a dataclass check what it is given."""
    plainly = made.__init__

    @functools.wraps(plainly)
    def fill(self: Any, **given: Any) -> None:
        named = {setting_name(key): value for key, value in given.items()}
        _check_names(where, made, named)
        if named:
            _fill(where, self, named)
        else:  # the defaults of a signature are built at import, which stays quick without pydantic
            plainly(self)

    made.__init__ = fill  # type: ignore[method-assign]
    made.__pydantic_config__ = {  # type: ignore[attr-defined]
        "strict": True, "extra": "forbid", "allow_inf_nan": False, "alias_generator": setting_name
    }  # fmt: skip
    return made


def construct(kind: str, registry: Mapping[str, Callable[..., T]], name: str, given: Mapping[str, Any]) -> T:
    """`registry[name](**given)`; a Python keyword such as `lambda` stands for the field `lambda_`.

    Raises:
        UnknownNameError: the registry has no such name.
        ConfigError: a setting is unknown, missing, of the wrong type or out of range.
    """
    if name not in registry:
        raise UnknownNameError(kind, name, known_names(registry))
    return registry[name](**given)


def known_names(registry: Mapping[str, Any]) -> Iterable[str]:
    """The names to list for a name that a registry has not, those of packages among them (`plugins.Parts.known`)."""
    known: Callable[[], Iterable[str]] | None = getattr(registry, "known", None)
    return registry if known is None else known()


def names_of(made: Any) -> list[str]:
    """The settings that a class made by `settings` takes, as a user calls them."""
    return [setting_name(one.name) for one in fields(made) if one.init]


def described(made: Any) -> list[str]:
    """Each setting of a class made by `settings` with its default: `count=3`, `path (required)`, and the name alone where it is None."""
    takes = [one for one in fields(made) if one.init]
    return [
        f"{name} (required)" if _required(one) else name if one.default in (None, MISSING) else f"{name}={one.default}"
        for one, name in zip(takes, names_of(made), strict=True)
    ]


def setting_name(parameter: str) -> str:
    """What a user calls a parameter: `lambda` for `lambda_`, since Python keeps the word for itself."""
    plain = parameter.removesuffix("_")
    return plain if keyword.iskeyword(plain) else parameter


def check_number(
    where: str, setting: str, value: object, *, low: float = -math.inf, high: float = math.inf, exclusive: bool = False
) -> None:
    """Refuse what is not a number in [low, high], or in (low, high) when `exclusive`: for bounds that are known at run time alone.

    Raises:
        ConfigError: with the value and the range.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    # False for what is not a number: nothing else is compared.
    if not (number and (low < value < high if exclusive else low <= value <= high)):  # type: ignore[operator]
        left, right = ((bound, not exclusive) if math.isfinite(bound) else None for bound in (low, high))
        raise ConfigError(f"{where}: {setting} = {value!r}; expected a number in {interval(left, right)}")


def setting_value(text: str) -> Any:
    """The value of `key=value` as typed on a command line: TOML (`3`, `0.1`, `true`, `[1, 2]`), and plain text where it is not.

    Raises:
        ConfigError: it is nested too deep, or a number too long, to be read.
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except RecursionError:
        raise ConfigError(f"the value {text[:_SHOWN]}… is nested too deep") from None
    except ValueError:  # beyond the interpreter's limit of 4,300 digits
        raise ConfigError(f"the value {text[:_SHOWN]}… is a number of more digits than can be read") from None


_SHOWN = 40
"""Characters that a message shows of a value that is too long to be read."""


def _check_names(where: str, kind: Any, given: Mapping[str, Any]) -> None:
    known = names_of(kind)
    for name in given:
        if name not in known:
            takes = ", ".join(known) or "no settings"
            raise ConfigError(f"{where}: unknown setting '{name}'{nearest(name, known, f'It takes: {takes}')}")
    for one in fields(kind):
        if one.init and _required(one) and setting_name(one.name) not in given:
            raise ConfigError(
                f"{where}: the setting '{setting_name(one.name)}' is missing, and has no default; give it"
            )


def _required(one: Field[Any]) -> bool:
    return one.default is one.default_factory is MISSING


def _fill(where: str, instance: Any, given: Mapping[str, Any]) -> None:
    kind: type[Any] = type(instance)
    from pydantic_core import ArgsKwargs, ValidationError

    try:
        _validator(kind).validate_python(ArgsKwargs((), dict(given)), self_instance=instance)  # type: ignore[arg-type]
    except ValidationError as error:
        fault = _fault(where, kind, given, error)
    else:
        return
    raise fault


@functools.cache
def _validator(kind: type) -> SchemaValidator:
    from pydantic import PydanticUserError, TypeAdapter

    try:
        adapted: TypeAdapter[Any] = TypeAdapter(kind)
    except (PydanticUserError, NameError) as error:  # one of ours never gets here
        raise ConfigError(
            f"the settings of {kind.__name__} cannot be checked: {error_line(error)}; annotate them as int, float, bool, str, "
            "Path, list or dict"
        ) from error
    return adapted.validator  # type: ignore[return-value]


def _fault(where: str, kind: type, given: Mapping[str, Any], error: ValidationError) -> CounterpoiseError:
    """The first thing that is wrong, in our words."""
    first = error.errors(include_url=False, include_input=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, CounterpoiseError):  # raised by the class's own checks
        return cause
    if not first["loc"]:  # checks of somebody else's class, which raise what they like
        return ConfigError(f"{where}: {cause or first['msg']}")
    name, *inside = first["loc"]
    hint = {setting_name(key): one for key, one in get_type_hints(kind, include_extras=True).items()}[str(name)]
    if inside[-1:] == ["[key]"]:
        inside = inside[:-2]
    value, place, hint = _innermost(given[str(name)], str(name), hint, inside)
    return ConfigError(f"{where}: {place} = {value!r}; expected {expected(hint)}")


def _innermost(value: Any, place: str, hint: Any, inside: Iterable[Any]) -> tuple[Any, str, Any]:
    """Down the tables to the value at fault: `dimensions.unit` rather than all of `dimensions`."""
    for key in inside:
        table = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        within = get_args(table)[1] if get_origin(table) is Mapping else None
        if within is None or not isinstance(value, Mapping) or key not in value:
            break
        value, place, hint = value[key], f"{place}.{key}", within
    return value, place, hint
