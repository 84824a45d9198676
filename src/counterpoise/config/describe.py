"""The keys of a run file in words: what each takes, what it is when it is not given, and what it means."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from counterpoise.config.base import Section
from counterpoise.config.run import RunConfig
from counterpoise.config.schema import settings_schema
from counterpoise.ranges import interval
from counterpoise.settings import setting_name

__all__ = ["MISSING", "Key", "keys_of", "sections", "settings_of", "taken_words", "toml_key", "toml_value"]

MISSING = object()
"""The default of what has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a section, or one setting of a part."""

    name: str
    """As a run file has it, without its section."""
    takes: str
    """What it may be, in words."""
    default: Any
    """Its value where it is not given, as TOML would hold it; None is `none`, `MISSING` has to be given."""
    meaning: str
    """The text under the field, in one line."""
    table: bool = False
    """Whether it is a table of further settings."""

    @property
    def default_text(self) -> str:
        """The default as a run file would say it; `required` where there is none, and `none` where nothing is set."""
        if self.default is None:
            return "none"
        return "required" if self.default is MISSING else toml_value(self.default)


def sections() -> dict[str, type[Section]]:
    """Every section of the run file by its dotted name, in the order of the file; a section inside another stands behind it."""
    return dict(_sections(RunConfig, ""))


def _sections(model: type[BaseModel], prefix: str) -> list[tuple[str, type[Section]]]:
    found: list[tuple[str, type[Section]]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found += [(prefix + name, kind), *_sections(kind, f"{prefix}{name}.")]
    return found


def keys_of(section: type[Section]) -> list[Key]:
    """The keys of a section but for the sections inside it."""
    inner = {name for name, _ in _sections(section, "")}
    keys = _keys(section.model_json_schema(), section().model_dump(mode="json"))
    return [key for key in keys if key.name not in inner]


def settings_of(part: Any) -> list[Key]:
    """The settings of a part: of a rule, a task, a verifier, …"""
    return _keys(
        settings_schema(part), {setting_name(field.name): _default_of(field) for field in dataclasses.fields(part)}
    )


def _keys(schema: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Key]:
    return [
        Key(
            name=name,
            takes=taken_words(one),
            default=defaults[name],
            meaning=_line(one.get("description", "")),
            table=one.get("type") == "object",
        )
        for name, one in schema["properties"].items()
    ]


def taken_words(schema: Mapping[str, Any]) -> str:
    """In words, what a JSON schema admits.

    `{"type": "integer", "minimum": 1}` is `an integer in [1, inf)`.
    """
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(taken_words(one) for one in schema["anyOf"]))
    if "const" in schema:
        return toml_value(schema["const"])
    if "enum" in schema:
        return f"one of: {', '.join(map(str, schema['enum']))}"
    match schema.get("type"):
        case "null":
            return "none"
        case "integer" | "number" as kind:
            low, high = _bound(schema, "minimum", "exclusiveMinimum"), _bound(schema, "maximum", "exclusiveMaximum")
            range_ = f" in {interval(low, high)}" if low or high else ""
            return ("an integer" if kind == "integer" else "a number") + range_
        case "boolean":
            return "true or false"
        case "array" if "prefixItems" in schema:
            return f"a list of {len(schema['prefixItems'])}: {', '.join(taken_words(one) for one in schema['prefixItems'])}"
        case "array":
            return f"a list of: {taken_words(schema.get('items', {}))}"
        case "object":
            inner = schema.get("additionalProperties")
            return f"a table of: {taken_words(inner)}" if isinstance(inner, Mapping) and inner else "a table"
        case "string":
            return "a path" if schema.get("format") == "path" else "text"
    return "a value"


def _bound(schema: Mapping[str, Any], closed: str, opened: str) -> tuple[float, bool] | None:
    return next(((float(schema[key]), key == closed) for key in (closed, opened) if key in schema), None)


def toml_value(value: Any) -> str:
    """A value as it stands behind `=` in one line of a run file, e.g. `{ count = 3 }`; None is `"none"`."""
    match value:
        case None:
            return '"none"'
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case Mapping():
            pairs = ", ".join(f"{toml_key(str(key))} = {toml_value(one)}" for key, one in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
    # JSON's one difference from TOML here: DEL has to be escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(name: str) -> str:
    """A key as a run file has it: quoted where it is more than a word."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return MISSING if field.default is dataclasses.MISSING else field.default


def _line(text: str) -> str:
    """On one line, and with the word that a run file has for Python's None."""
    return re.sub(r"\bNone\b", "none", " ".join(inspect.cleandoc(text).split()))
