"""Building a named object from a run file's settings, with errors a user can act on."""

from __future__ import annotations

import inspect
import keyword
import math
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from counterpoise.errors import ConfigError, UnknownNameError, nearest

__all__ = ["check_choice", "check_number", "construct", "setting_name", "setting_value"]

T = TypeVar("T")

_NUMBERS = ("an integer", "a number")
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "an integer"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "text"),
    "str | Path": ((str, Path), "a path"),
    "str | Path | None": ((str, Path, type(None)), "a path"),
}
_LISTS = ("Sequence[str]", "tuple[str, ...]", "list[str]")


def construct(kind: str, registry: Mapping[str, Callable[..., T]], name: str, settings: Mapping[str, Any]) -> T:
    """`registry[name](**settings)`; a Python keyword such as `lambda` stands for the field `lambda_`, and one text for a list of it
    alone where a list of texts is expected.

    Raises:
        UnknownNameError: the registry has no such name.
        ConfigError: a setting is unknown (the nearest valid one is named), missing, of the wrong type or out of range.
    """
    if name not in registry:
        raise UnknownNameError(kind, name, registry)
    parameters = {setting_name(key): one for key, one in inspect.signature(registry[name]).parameters.items()}
    given = {setting_name(key): value for key, value in settings.items()}
    for key in given:
        if key not in parameters:
            takes = ", ".join(parameters) or "no settings"
            raise ConfigError(f"{kind} {name}: unknown setting '{key}'{nearest(key, parameters)}; it takes: {takes}")
    for key, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and key not in given:
            raise ConfigError(f"{kind} {name}: the setting '{key}' is missing")
    for key, value in given.items():
        if str(parameters[key].annotation) in _LISTS:
            given[key] = _texts(value, f"{kind} {name}: {key}")
            continue
        types, noun = _KINDS.get(str(parameters[key].annotation), ((object,), ""))
        # A boolean is an integer to Python and a mistake to whoever wrote it.
        if not isinstance(value, types) or (isinstance(value, bool) and noun in _NUMBERS):
            raise ConfigError(f"{kind} {name}: {key} = {value!r}; expected {noun}")
    return registry[name](**{parameters[key].name: value for key, value in given.items()})


def setting_name(parameter: str) -> str:
    """What a user calls a parameter: `lambda` for `lambda_`, since Python keeps the word for itself."""
    plain = parameter.removesuffix("_")
    return plain if keyword.iskeyword(plain) else parameter


def _texts(value: object, where: str) -> tuple[str, ...]:
    """A list of texts; one text stands for a list of it alone, for Python would read it as a list of its letters."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{where} = {value!r}; expected a list of texts")
    return tuple(texts)


def check_number(
    where: str,
    setting: str,
    value: object,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    exclusive: bool = False,
    integer: bool = False,
) -> None:
    """Refuse a setting that is no finite number in [low, high], or in (low, high) when `exclusive`.

    Raises:
        ConfigError: with the value and the range.
    """
    kinds = (int,) if integer else (int, float)
    good = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    if good:
        assert isinstance(value, (int, float))
        good = low < value < high if exclusive else low <= value <= high
    if not good:
        noun = "an integer" if integer else "a number"
        left, right = (
            ("(", ")") if exclusive else ("[" if math.isfinite(low) else "(", "]" if math.isfinite(high) else ")")
        )
        raise ConfigError(f"{where}: {setting} = {value!r}; expected {noun} in {left}{low:g}, {high:g}{right}")


def check_choice(where: str, setting: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a setting that is none of `choices`.

    Raises:
        ConfigError: with the choices.
    """
    if value not in choices:
        raise ConfigError(f"{where}: {setting} = {value!r}; expected one of: {', '.join(choices)}")


def setting_value(text: str) -> Any:
    """The value of `key=value` as typed on a command line: TOML (`3`, `0.1`, `true`, `[1, 2]`), and plain text where it is not."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
