"""Reading and writing a run file: TOML plus dotted `key=value` overrides, checked at load, saved as resolved.

Unknown keys are refused with the nearest valid name.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from counterpoise.config import RunConfig
from counterpoise.errors import ConfigError, nearest
from counterpoise.registry import setting_name, setting_value

__all__ = ["COMMAND_LINE", "dump_config", "load_config", "parse_config", "setting_places"]

COMMAND_LINE = "command line"
"""`source` of tables that were made of what was typed."""

_OTHER_KINDS = {
    ".yaml": "YAML",
    ".yml": "YAML",
    ".json": "JSON",
    ".py": "Python",
    ".ini": "INI",
    ".jsonl": "JSON lines",
}


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a TOML run file and apply dotted overrides such as `credit.rule=nsr`.

    Raises:
        ConfigError: the file is missing or no TOML, a key is unknown, or a value or combination is illegal.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the run file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        kind = _OTHER_KINDS.get(Path(path).suffix.lower())
        meant = f"; its name says {kind}, and run files are TOML: section.key = value under [section]" if kind else ""
        raise ConfigError(f"{path} is not valid TOML: {error}{meant}") from error
    return parse_config(data, overrides, source=str(path))


def parse_config(data: Mapping[str, Any], overrides: Iterable[str] = (), *, source: str = "configuration") -> RunConfig:
    """`load_config` of tables already read; `source` names them in messages, and what an override said is the command line's."""
    merged: dict[str, Any] = _copy(data)
    typed = list(overrides)
    for override in typed:
        _apply(merged, override)
    try:
        return RunConfig.model_validate(merged)
    except ValidationError as error:
        of_file = _errors(data) if typed else error.errors()
        lines: dict[str, list[str]] = {}
        for one in error.errors():
            place = source if _is_in(one, of_file) else _typed_at(one, typed, source)
            lines.setdefault(place, []).append(_explain(one, merged))
        raise ConfigError("\n".join(f"{place}: " + "\n".join(said) for place, said in lines.items())) from error


def _errors(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What is wrong with the tables themselves, before any override."""
    try:
        RunConfig.model_validate(_copy(data))
    except ValidationError as error:
        return error.errors()
    return []


def _is_in(error: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> bool:
    return any((error["loc"], error["msg"]) == (other["loc"], other["msg"]) for other in others)


def _typed_at(error: Mapping[str, Any], typed: Sequence[str], source: str) -> str:
    """The command line where an override alone is at fault; file and overrides where they do not go together."""
    location = [str(part) for part in error["loc"]]
    keys = {override: override.partition("=")[0].strip().split(".") for override in typed}
    alone = any(location[: len(key)] == key for key in keys.values())
    if alone or error["type"] == "extra_forbidden" or source == COMMAND_LINE:
        return COMMAND_LINE
    involved = [override for override, key in keys.items() if key[: len(location)] == location]
    return f"{source} with {' '.join(involved or typed)}"


def dump_config(config: RunConfig, *, only_set: bool = False) -> str:
    """The resolved configuration as TOML; loading it gives an equal configuration.

    With `only_set` what was never set is left out, so that the text is short; its defaults are then those of whoever loads it.
    """
    return tomli_w.dumps(_without_null(config.model_dump(mode="json", exclude_unset=only_set)))


def _copy(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, Mapping) else v for k, v in data.items()}


def _without_null(data: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in data.items():
        plain[key] = _without_null(value) if isinstance(value, Mapping) else "none" if value is None else value
    return plain


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"'{override}' is not an override; write section.key=value, e.g. credit.rule=nsr")
    table = data
    for part in parts[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"'{override}': {part} is a value, not a section")
        table = inner
    table[parts[-1]] = setting_value(text.strip())


def _explain(error: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    location = [str(part) for part in error["loc"]]
    name = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = _fields_at(location[:-1])
        where = ".".join(location[:-1]) or "the top level"
        meant = [place for place in setting_places(location[-1], data) if not isinstance(error["input"], Mapping)]
        close = (
            f"; did you mean {' or '.join(repr(place) for place in meant)}?" if meant else nearest(location[-1], known)
        )
        return f"unknown key '{name}'{close}; {where} takes: {', '.join(known)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    if not name:
        return message
    given = error["input"]
    shown = f" (given: {given!r})" if isinstance(given, (str, int, float, bool, list)) else ""
    return f"{name}: {message}{shown}"


def setting_places(key: str, data: Mapping[str, Any] = MappingProxyType({})) -> list[str]:
    """Where a key of exactly this name belongs: in a section, or among the settings of the task, rule or loss that is chosen."""
    return [*_fields_called(key, RunConfig, ""), *_settings_called(key, data)]


def _fields_called(key: str, model: type[BaseModel], prefix: str) -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += _fields_called(key, field.annotation, f"{prefix}{name}.")
        elif name == key:
            found.append(prefix + name)
    return found


def _settings_called(key: str, data: Mapping[str, Any]) -> list[str]:
    # Only for a message, and much to import.
    from counterpoise.credit import RULES
    from counterpoise.losses import LOSSES
    from counterpoise.tasks.registry import TASKS

    found = []
    registries: Sequence[tuple[str, str, Mapping[str, Any]]] = [
        ("tasks", "name", TASKS), ("credit", "rule", RULES), ("loss", "name", LOSSES)
    ]  # fmt: skip
    for section, name, registry in registries:
        table = data.get(section)
        default = RunConfig.model_fields[section].get_default()
        chosen = str(table.get(name) if isinstance(table, Mapping) and name in table else getattr(default, name))
        parameters = inspect.signature(registry[chosen]).parameters if chosen in registry else {}
        if key in [setting_name(parameter) for parameter in parameters]:
            found.append(f"{section}.settings.{key}")
    return found


def _fields_at(location: Sequence[str]) -> list[str]:
    model: type[BaseModel] = RunConfig
    for part in location:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
