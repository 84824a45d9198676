"""How an import path is written: `PLACE:ATTRIBUTE`, where the place is a module or a file that ends in `.py`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from counterpoise.errors import ConfigError

__all__ = ["ENVIRONMENT", "FORMS", "HUB", "ImportPath", "is_reference", "of_the_hub", "portable"]

FORMS = ("trl", "verl")
"""Words that may stand in front and say whose signature the function has."""

ENVIRONMENT = "verifiers"
"""Word before the name of an environment of the library verifiers: a module that exports its taskset."""

HUB = "hub"
"""Word before the name of a data set of the Hugging Face hub, which is a file of a task and no part."""

_NAME = r"[^\W\d]\w*"
_DOTTED = re.compile(rf"{_NAME}(\.{_NAME})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPath:
    """An import path taken apart."""

    place: str
    """A module's name, or a path that ends in `.py`."""
    attribute: str
    """Name of the object in it, dotted where it is an attribute of one."""
    form: str | None = None
    """One of `FORMS`, or `ENVIRONMENT`."""

    @property
    def is_file(self) -> bool:
        """Whether the place is a file."""
        return self.place.endswith(".py")

    def __str__(self) -> str:
        if self.form == ENVIRONMENT:
            return f"{ENVIRONMENT}:{self.place}"
        form = f"{self.form}:" if self.form else ""
        return f"{form}{self.place}:{self.attribute}"

    @classmethod
    def parse(cls, text: str) -> ImportPath:
        """Take an import path apart.

        Raises:
            ConfigError: it has no attribute, or its place is neither a module's name nor a `.py` file.
        """
        form, colon, rest = text.partition(":")
        if form == ENVIRONMENT and colon:
            # The library's own spelling of names: owner/gsm8k-v1@0.2 is installed as the module gsm8k_v1.
            module = rest.rsplit("/", 1)[-1].split("@", 1)[0].replace("-", "_").lower()
            if not _DOTTED.fullmatch(module):
                raise ConfigError(f"'{text}' names no environment; write e.g. {ENVIRONMENT}:gsm8k-v1")
            return cls(place=module, attribute="__all__", form=ENVIRONMENT)
        if form == HUB and colon and not _DOTTED.fullmatch(rest):
            raise ConfigError(of_the_hub(text))
        if not (colon and form in FORMS and (":" in rest or rest.endswith(".py"))):
            form, rest = "", text
        place, colon, attribute = rest.rpartition(":")
        if not colon or not place:
            raise ConfigError(f"'{text}' names no object; write what it is called too, e.g. {rest.strip(':')}:check")
        if not _DOTTED.fullmatch(attribute):
            raise ConfigError(f"'{text}': '{attribute}' is not the name of an object; write e.g. {place}:check")
        if "\0" in place:
            raise ConfigError(f"{text!r} holds a NUL character, so it is not a path")
        if not (place.endswith(".py") or _DOTTED.fullmatch(place)):
            raise ConfigError(
                f"'{text}': '{place}' is neither a module nor a Python file; write my_pkg.rules:{attribute} or ./rules.py:{attribute}"
            )
        return cls(place=place, attribute=attribute, form=form or None)


def of_the_hub(text: str) -> str:
    """Where the name of a data set of the hub belongs, for who wrote it in the place of a part."""
    return f"'{text}' is written as a data set of the hub, which is a task's file: name the task jsonl, and path={text}"


def is_reference(name: str) -> bool:
    """Whether a name is written as an import path, well or badly; no part of ours has such a name."""
    return ":" in name or name.endswith(".py") or ("/" in name and ".py" in name)


def portable(name: str) -> str:
    """The name without the folders of its file, which is the same wherever the file lies: `rewards.py:check`. Other names stay."""
    if not is_reference(name):
        return name
    try:
        found = ImportPath.parse(name)
    except ConfigError:
        return name
    return str(replace(found, place=os.path.basename(found.place))) if found.is_file else name
