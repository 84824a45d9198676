"""Options as Hydra reads them on a command line, and verl's configuration composed of them, without importing verl."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from counterpoise.errors import ConfigError, UsageError

__all__ = ["compose_config", "hydra_value", "overrides", "with_own"]


def hydra_value(value: Any) -> str:
    """A value in the grammar of Hydra's overrides; text is quoted, so that nothing in it means anything.

    Raises:
        ConfigError: a key of a table is not a word.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        for key in value:
            if not re.fullmatch(r"[A-Za-z_][\w\-]*", str(key)):
                raise ConfigError(f"{key!r}: Hydra takes no such name as the key of a table; rename it")
        return "{" + ",".join(f"{key}:{hydra_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(hydra_value(one) for one in value) + "]"
    text = str(value)
    if re.fullmatch(r"[A-Za-z_/][\w/.\-]*", text) and text.lower() not in ("null", "true", "false", "nan", "inf"):
        return text
    # Backslashes before a quote are Hydra's escape, others are themselves; "${" would be an interpolation.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return "'" + (escaped + "\\" * trailing).replace("${", "\\${") + "'"


def with_own(options: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, str]:
    """Options by name as text, with a user's own in the place of those of the same name, whatever pluses stand before it."""
    found = {name: hydra_value(value) for name, value in options.items()}
    for name, text in own.items():
        bare = name.lstrip("+")
        found = {one: value for one, value in found.items() if one.lstrip("+") != bare}
        found[name] = text
    return found


def overrides(options: Mapping[str, str]) -> list[str]:
    """The words of a command."""
    return [f"{name}={value}" for name, value in options.items()]


def compose_config(words: Sequence[str], *, check: str = "check those given with --engine") -> Any:
    """Verl's whole configuration under these overrides, whose references are there; its files are read, its code is not imported.

    Args:
        words: overrides.
        check: what there is to do about one that is none.

    Raises:
        UsageError: one of them is not an option of verl's, or refers to what is not there.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    spec = find_spec("verl")
    assert spec is not None and spec.submodule_search_locations is not None  # asked before
    folder = Path(next(iter(spec.submodule_search_locations))) / "trainer" / "config"
    try:
        with initialize_config_dir(str(folder), version_base=None):
            config = compose("ppo_trainer", overrides=list(words))
        OmegaConf.to_container(config, resolve=True)
    except (
        HydraException,
        OmegaConfBaseException,
        ValueError,
    ) as error:  # it refuses some values in the words of Python
        raise UsageError(f"verl does not take these options: {' '.join(str(error).split())}; {check}") from error
    return config
