"""The run file as a JSON schema, with the settings of every part that it can name.

`python -m counterpoise.config.schema > run.schema.json` writes it for an editor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from counterpoise.config.field_texts import texts_under_fields
from counterpoise.config.run import RunConfig
from counterpoise.credit import EMPHASES, FILTERS, RULES
from counterpoise.credit.controllers.registry import CONTROLLERS
from counterpoise.credit.token_weights import TOKEN_WEIGHTS
from counterpoise.diagnostics.guards.registry import GUARDS
from counterpoise.losses import DENOMINATORS, LOSSES
from counterpoise.plugins import Parts
from counterpoise.prompts import TEMPLATES
from counterpoise.rewards.registry import REWARDS
from counterpoise.settings import names_of, setting_name
from counterpoise.tables import EXTENDS
from counterpoise.tasks.registry import TASKS
from counterpoise.verifiers.registry import VERIFIERS

__all__ = ["IMPORT_PATH", "PLACES", "Place", "run_file_schema", "settings_schema"]


IMPORT_PATH = r"^[^:].*:[^\W\d][\w.]*$"
"""How a name that is an import path reads: `my_pkg.rules:Hopeful`, `./rewards.py:check`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run file names a part and gives its settings."""

    section: str
    """Table of the run file."""
    kind: str
    """What the parts are called in messages."""
    parts: Mapping[str, Any]
    """Registry."""
    settings: str | None = "settings"
    """Key of the settings; None where a run file gives the name alone."""
    name: str | None
    """Key of the name; None where the settings are a table by name."""
    filled: tuple[str, ...] = ()
    """Settings that a run fills in from elsewhere, so that none of them has to be given."""


PLACES = (
    Place(section="tasks", kind="task", parts=TASKS, name="name"),
    Place(section="verification", kind="verifier", parts=VERIFIERS, name=None),
    Place(section="credit", kind="credit.rule", parts=RULES, name="rule"),
    Place(section="credit", kind="reward", parts=REWARDS, name="reward", settings="reward_settings"),
    Place(section="credit", kind="credit.emphasis", parts=EMPHASES, name="emphasis", settings="emphasis_settings"),
    Place(
        section="credit", kind="credit.token_weights", parts=TOKEN_WEIGHTS, name="token_weights",
        settings="token_weight_settings",
    ),
    Place(
        section="credit", kind="credit.controller", parts=CONTROLLERS, name="controller", settings="controller_settings",
        filled=("steps",),
    ),
    Place(section="loss", kind="loss", parts=LOSSES, name="name"),
    Place(section="loss", kind="loss.denominator", parts=DENOMINATORS, name="denominator", settings=None),
    Place(section="credit", kind="credit.filter", parts=FILTERS, name="filter", settings=None),
    Place(section="prompt", kind="prompt template", parts=TEMPLATES, name="template", settings=None),
    Place(section="guards", kind="guards", parts=GUARDS, name="names", settings=None),
    Place(section="guards", kind="guards", parts=GUARDS, name=None),
)  # fmt: skip
"""Every part that has settings."""


def run_file_schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a run file; what one value forbids another is left to loading it."""
    schema = _written(RunConfig.model_json_schema())
    schema["properties"][EXTENDS] = {
        "description": "Run files that this one starts from.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    }
    for place in PLACES:
        section = schema["$defs"][RunConfig.model_fields[place.section].annotation.__name__]  # type: ignore[union-attr]
        if place.name is not None:
            _text(section["properties"][place.name]).update(_names(place.parts))
        if place.settings is None:
            continue
        for name, part in place.parts.items():
            schema["$defs"][f"{place.kind} {name}"] = settings_schema(part, filled=place.filled)
        places = {name: {"$ref": f"#/$defs/{place.kind} {name}"} for name in place.parts}
        if place.name is None:
            section["properties"][place.settings] |= {
                "properties": places,
                "patternProperties": {IMPORT_PATH: {"type": "object"}},
                "additionalProperties": False,
            }
            continue
        default = section["properties"][place.name]["default"]
        section.setdefault("allOf", []).extend(
            {
                "if": {"properties": {place.name: {"const": name}}} | _required(place.name, name, default),
                "then": {"properties": {place.settings: reference}},
            }
            for name, reference in places.items()
        )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def settings_schema(part: Any, *, filled: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON schema of a part's settings, each with what the class says of it."""
    schema = TypeAdapter(part).json_schema(ref_template="#/$defs/{model}")
    schema.pop("$defs", None)
    said = _said(part)
    known = names_of(part)
    schema["properties"] = {
        name: value | ({"description": said[name]} if name in said else {})
        for name, value in schema.get("properties", {}).items()
        if name in known
    }
    if "required" in schema:
        schema["required"] = [name for name in schema["required"] if name not in filled]
    return schema


def _names(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Our names, those that installed packages add, and import paths where a part may be somebody else's."""
    if not isinstance(parts, Parts):
        return {"enum": list(parts)}
    return {"anyOf": [{"enum": list(parts.known())}, {"pattern": IMPORT_PATH}]}


def _text(value: dict[str, Any]) -> dict[str, Any]:
    """Where the schema of a name, of one or none, or of a list of names says that it is text."""
    inner = [value.get("items"), *value.get("anyOf", ())]
    return next(one for one in (value, *inner) if one and one.get("type") == "string")


def _required(key: str, name: str, default: str) -> dict[str, list[str]]:
    """A section without the key has its default's settings."""
    return {} if name == default else {"required": [key]}


def _written(value: Any) -> Any:
    """TOML has no null: a run file says "none"."""
    if isinstance(value, dict):
        return {"const": "none"} if value == {"type": "null"} else {key: _written(one) for key, one in value.items()}
    return [_written(one) for one in value] if isinstance(value, list) else value


def _said(part: Any) -> dict[str, str]:
    """The text under each setting, of the class and those it is made from."""
    kinds = [kind for kind in reversed(part.__mro__) if hasattr(kind, "__dataclass_fields__")]
    return {setting_name(name): text for name, text in texts_under_fields(kinds).items()}


if __name__ == "__main__":
    print(json.dumps(run_file_schema(), indent=2, ensure_ascii=False))
