"""Reading and writing a run file: TOML plus overrides, checked at load, saved as resolved.

An override is a dotted `key=value` or a further TOML file. Unknown keys are refused with the nearest valid name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from counterpoise.config import RunConfig
from counterpoise.errors import ConfigError, nearest
from counterpoise.registry import setting_value
from counterpoise.tables import EXTENDS, merge_tables, read_run_tables

__all__ = ["dump_config", "is_run_file", "load_config", "parse_config"]


def load_config(path: Path, overrides: Sequence[str] = (), *, stored: bool = False) -> RunConfig:
    """Read a TOML run file, with the files that it extends, and apply overrides in their order.

    An override is a dotted setting such as `credit.rule=nsr`, or the name of a further run file (a word that ends in `.toml` and has
    no `=`), whose sections are put over what stands before it (`tables.merge_tables`). `stored` says that the file is one that a run
    keeps of itself: what only training needs is then not asked, so that a run stays readable that was made before it was asked.

    Raises:
        ConfigError: a file is missing or no TOML, a key is unknown, or a value or combination is illegal.
    """
    source = ", ".join([str(path), *filter(is_run_file, overrides)])
    return parse_config(read_run_tables(path), overrides, source=source, stored=stored)


def parse_config(
    data: Mapping[str, Any], overrides: Iterable[str] = (), *, source: str = "configuration", stored: bool = False
) -> RunConfig:
    """`load_config` of tables already read; `source` names them in messages."""
    merged: dict[str, Any] = _copy(data)
    for override in overrides:
        if is_run_file(override):
            merged = _copy(merge_tables(merged, read_run_tables(Path(override))))
        else:
            _apply(merged, override)
    if EXTENDS in merged:
        raise ConfigError(
            f"{source}: '{EXTENDS}' is for run files; on the command line name the other file itself, "
            "e.g. counterpoise train base.toml other.toml"
        )
    try:
        return RunConfig.model_validate(merged, context={"stored": stored})
    except ValidationError as error:
        lines = [_explain(e) for e in error.errors()]
        raise ConfigError(f"{source}: " + "\n".join(lines)) from error


def is_run_file(override: str) -> bool:
    """Whether an override names a run file instead of setting a value."""
    return "=" not in override and override.endswith(".toml")


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
