"""Reading and writing a run file: TOML plus overrides, checked at load, saved as resolved.

An override is a dotted `key=value` or a further TOML file. Unknown keys are refused with the nearest valid name. Paths are relative to
the file they stand in, typed ones to the current directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from counterpoise.config import RunConfig
from counterpoise.config.base import STORED, number_fault
from counterpoise.config.paths import relocate
from counterpoise.errors import ConfigError, nearest
from counterpoise.settings import names_of, setting_value
from counterpoise.tables import EXTENDS, anchored, copied, merge_tables, read_run_tables, read_tables

__all__ = [
    "COMMAND_LINE",
    "dump_config",
    "is_run_file",
    "load_config",
    "load_stored",
    "parse_config",
    "quoted",
    "setting_places",
    "settled",
]

COMMAND_LINE = "command line"
"""`source` of tables that were made of what was typed."""

_TRUST = "trust_remote_code"
"""The setting of `[model]` that no file may make."""

_SHOWN = 200
"""Characters that a message shows of a value."""


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a TOML run file, with the files that it extends, and apply overrides in their order.

    An override is a dotted setting such as `credit.rule=nsr`, or the name of a further run file (a word that ends in `.toml` and has
    no `=`), whose sections are put over what stands before it (`tables.merge_tables`).

    Raises:
        ConfigError: a file is missing or not valid TOML, a key is unknown, a value or combination is illegal, or a path in a file is
            relative to the current directory.
    """
    source = ", ".join([str(path), *filter(is_run_file, overrides)])
    return parse_config(read_run_tables(path), overrides, source=source)


def load_stored(home: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration that the run directory `home` holds, with overrides; paths are found again where run and data were moved together.

    Raises:
        ConfigError: as `load_config`.
    """
    path = Path(home) / "config.toml"
    data = read_tables(path)
    model = data.get("model")
    if isinstance(model, dict):  # whoever wrote it there, it is not for a file to say
        model.pop(_TRUST, None)
    relocate(data, home)
    return parse_config(data, overrides, source=str(path), stored=True)


def settled(config: RunConfig) -> RunConfig:
    """The same configuration with every path absolute and the texts of prompts in it, so that it means the same from any directory.

    Raises:
        ConfigError: a file of `[prompt]` cannot be read.
    """
    data: dict[str, Any] = config.model_dump(mode="json")
    found = parse_config(anchored(data, Path.cwd()), stored=True)
    return found.model_copy(update={"prompt": found.prompt.settled()})


def quoted(key: str, text: object) -> str:
    """The override that sets `key` to a text, whatever characters it has."""
    # JSON's one difference from TOML here: DEL has to be escaped.
    written = json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"{key}={written}"


def parse_config(
    data: Mapping[str, Any], overrides: Sequence[str] = (), *, source: str = "configuration", stored: bool = False
) -> RunConfig:
    """`load_config` of tables already read; `source` names them in messages, and what an override said is the command line's.

    With `stored` they come from a run directory: its name is what it is, and what only training needs is not asked, so that a run stays
    readable that was made before it was asked. Relative paths are left as they are.
    """
    typed = [override for override in overrides if not is_run_file(override)]
    written: dict[str, Any] = copied(data)
    merged: dict[str, Any] = copied(data)
    for override in overrides:
        if is_run_file(override):
            tables = read_run_tables(Path(override))
            written, merged = copied(merge_tables(written, tables)), copied(merge_tables(merged, tables))
        else:
            _apply(merged, override, finite=stored)
    model = written.get("model")
    if not stored and isinstance(model, Mapping) and model.get(_TRUST, False) is not False:
        raise ConfigError(
            f"{source}: model.{_TRUST} runs Python code that comes with the model, so no file can switch it on; drop it there, read that "
            f"code, and give model.{_TRUST}=true on the command line"
        )
    if EXTENDS in merged:
        raise ConfigError(
            f"{source}: '{EXTENDS}' is for run files; on the command line name the other file itself, "
            "e.g. counterpoise train base.toml other.toml"
        )
    try:
        return RunConfig.model_validate(merged, context={STORED: stored})
    except ValidationError as error:
        of_file = _errors(written, stored) if typed else error.errors()
        lines: dict[str, list[str]] = {}
        for one in error.errors():
            place = source if _is_in(one, of_file) else _typed_at(one, typed, source)
            lines.setdefault(place, []).append(_explain(one, merged))
        raise ConfigError("\n".join(f"{place}: " + "\n".join(said) for place, said in lines.items())) from error


def _errors(data: Mapping[str, Any], stored: bool) -> Sequence[Mapping[str, Any]]:
    """What is wrong with the tables themselves, before any override."""
    try:
        RunConfig.model_validate(copied(data), context={STORED: stored})
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


def is_run_file(override: str) -> bool:
    """Whether an override names a run file instead of setting a value."""
    return "=" not in override and override.endswith(".toml")


def dump_config(config: RunConfig, *, only_set: bool = False) -> str:
    """The resolved configuration as TOML; loading it gives an equal configuration.

    With `only_set` what was never set is left out, so that the text is short; its defaults are then those of whoever loads it.
    `run.directory` is left out in both cases where it was never set: as a default it follows the current directory. So is
    `model.trust_remote_code`, which a file cannot switch on.
    """
    data = _without_null(config.model_dump(mode="json", exclude_unset=only_set))
    data.get("model", {}).pop(_TRUST, None)
    if "directory" not in config.run.model_fields_set and "run" in data:
        data["run"].pop("directory", None)
    return tomli_w.dumps(data)


def _without_null(data: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in data.items():
        plain[key] = _without_null(value) if isinstance(value, Mapping) else "none" if value is None else value
    return plain


def _apply(data: dict[str, Any], override: str, *, finite: bool) -> None:
    """Put an override into `data`; `finite` asks here what is not asked of a run's own file."""
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
    try:
        value = setting_value(text.strip())
    except ConfigError as error:
        raise ConfigError(f"{COMMAND_LINE}: {key.strip()}: {error}") from error
    if finite and (fault := number_fault(value)) is not None:
        raise ConfigError(f"{COMMAND_LINE}: {key.strip()}: {fault}")
    table[parts[-1]] = value


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
    shown = f" (given: {_cut(repr(given))})" if isinstance(given, (str, int, float, bool, list)) else ""
    return f"{name}: {message}{shown}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


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
        if chosen in registry and key in names_of(registry[chosen]):
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
