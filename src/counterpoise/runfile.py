"""Reading and writing a run file: TOML plus dotted `key=value` overrides, checked at load, saved as resolved.

Unknown keys are refused with the nearest valid name. Paths are relative to the file they stand in, typed ones to the current directory.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from counterpoise.config import RunConfig
from counterpoise.config.base import STORED
from counterpoise.config.paths import anchor, relocate
from counterpoise.errors import ConfigError, nearest
from counterpoise.registry import setting_value

__all__ = ["anchored", "dump_config", "load_config", "load_stored", "parse_config", "quoted", "read_toml", "settled"]


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a TOML run file and apply dotted overrides such as `credit.rule=nsr`.

    Raises:
        ConfigError: the file is missing or no TOML, a key is unknown, a value or combination is illegal, or a path in it is relative to
            the current directory.
    """
    return parse_config(anchored(read_toml(path), Path(path).parent, source=str(path)), overrides, source=str(path))


def load_stored(home: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration that the run directory `home` holds, with overrides; paths are found again where run and data were moved together.

    Raises:
        ConfigError: as `load_config`.
    """
    path = Path(home) / "config.toml"
    data = _copy(read_toml(path))
    relocate(data, home)
    return parse_config(data, overrides, source=str(path), stored=True)


def read_toml(path: Path, what: str = "the run file ") -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: it cannot be read, or is no TOML; `what` stands before its path.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {what}{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def anchored(data: Mapping[str, Any], base: Path, *, source: str = "") -> dict[str, Any]:
    """A copy of these tables with `config.paths.anchor` applied."""
    copy: dict[str, Any] = _copy(data)
    anchor(copy, base, source=source)
    return copy


def settled(config: RunConfig) -> RunConfig:
    """The same configuration with every path absolute, so that it means the same from any directory."""
    data: dict[str, Any] = config.model_dump(mode="json")
    return parse_config(anchored(data, Path.cwd()), stored=True)


def quoted(key: str, text: object) -> str:
    """The override that sets `key` to a text, whatever characters it has."""
    return f"{key}={json.dumps(str(text), ensure_ascii=False)}"


def parse_config(
    data: Mapping[str, Any], overrides: Iterable[str] = (), *, source: str = "configuration", stored: bool = False
) -> RunConfig:
    """`load_config` of tables already read; `source` names them in messages.

    With `stored` they come from a run directory, whose name is what it is. Relative paths are left as they are.
    """
    merged: dict[str, Any] = _copy(data)
    for override in overrides:
        _apply(merged, override)
    try:
        return RunConfig.model_validate(merged, context={STORED: stored})
    except ValidationError as error:
        lines = [_explain(e) for e in error.errors()]
        raise ConfigError(f"{source}: " + "\n".join(lines)) from error


def dump_config(config: RunConfig, *, only_set: bool = False) -> str:
    """The resolved configuration as TOML; loading it gives an equal configuration.

    With `only_set` what was never set is left out, so that the text is short; its defaults are then those of whoever loads it.
    `run.directory` is left out in both cases where it was never set: as a default it follows the current directory.
    """
    data = _without_null(config.model_dump(mode="json", exclude_unset=only_set))
    if "directory" not in config.run.model_fields_set and "run" in data:
        data["run"].pop("directory", None)
    return tomli_w.dumps(data)


def _copy(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {k: _copy(v) for k, v in data.items()}
    return [_copy(v) for v in data] if isinstance(data, list) else data


def _without_null(data: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in data.items():
        plain[key] = _without_null(value) if isinstance(value, Mapping) else "none" if value is None else value
    return plain


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    try:
        override.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{override!r} is not UTF-8 text, so no run file could hold it; rename what it names"
        ) from None
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"'{override}' is not an override; write section.key=value, e.g. credit.rule=nsr")
    table: Any = data
    for part in parts[:-1]:
        if isinstance(table, list):  # tables in a list are numbered, e.g. tasks.settings.sources.0.path
            table = table[int(part)] if part.isdecimal() and int(part) < len(table) else None
        else:
            table = table.setdefault(part, {})
        if not isinstance(table, (dict, list)):
            raise ConfigError(f"'{override}': {part} is a value, not a section")
    if isinstance(table, list):
        raise ConfigError(f"'{override}': {parts[-2]} is a list; give it as a whole: {'.'.join(parts[:-1])}=[…]")
    table[parts[-1]] = setting_value(text.strip())


def _explain(error: Mapping[str, Any]) -> str:
    location = [str(part) for part in error["loc"]]
    name = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = _fields_at(location[:-1])
        where = ".".join(location[:-1]) or "the top level"
        return f"unknown key '{name}'{nearest(location[-1], known)}; {where} takes: {', '.join(known)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    if not name:
        return message
    given = error["input"]
    shown = f" (given: {given!r})" if isinstance(given, (str, int, float, bool, list)) else ""
    return f"{name}: {message}{shown}"


def _fields_at(location: Sequence[str]) -> list[str]:
    model: type[BaseModel] = RunConfig
    for part in location:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
