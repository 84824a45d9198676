"""The schema of the run file: every recipe is valid, and a wrong value is not."""

import re
import tomllib
from pathlib import Path

import pytest

from counterpoise.config.schema import run_file_schema, settings_schema
from counterpoise.credit import RULES
from counterpoise.tasks.registry import TASKS

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.toml"))
SCHEMA = run_file_schema()

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def faults(value, schema, place="run"):
    """As much of JSON schema as ours uses: the places of what is wrong."""
    if "$ref" in schema:
        target = SCHEMA
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = {**target, **{key: one for key, one in schema.items() if key != "$ref"}}
    found = []
    if "type" in schema:
        good = isinstance(value, _TYPES[schema["type"]]) and (
            not isinstance(value, bool) or schema["type"] == "boolean"
        )
        if not good:
            return [f"{place}: {value!r} is not of type {schema['type']}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{place}: {value!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: {value!r}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{place}: {value!r}")
    if "anyOf" in schema and all(faults(value, one, place) for one in schema["anyOf"]):
        found.append(f"{place}: {value!r}")
    for bound, wrong in (
        ("minimum", lambda limit: value < limit), ("maximum", lambda limit: value > limit),
        ("exclusiveMinimum", lambda limit: value <= limit), ("exclusiveMaximum", lambda limit: value >= limit),
        ("minItems", lambda limit: len(value) < limit), ("minProperties", lambda limit: len(value) < limit),
    ):  # fmt: skip
        if bound in schema and wrong(schema[bound]):
            found.append(f"{place}: {value!r}")
    for one in schema.get("allOf", ()):
        found += faults(value, one, place)
    if "if" in schema and not faults(value, schema["if"], place):
        found += faults(value, schema["then"], place)
    if isinstance(value, dict):
        found += [f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, one in value.items():
            inner = properties.get(name, others)
            if inner is False:
                found.append(f"{place}.{name} is unknown")
            elif inner is not True:
                found += faults(one, inner, f"{place}.{name}")
    if isinstance(value, list) and "items" in schema:
        found += [text for index, one in enumerate(value) for text in faults(one, schema["items"], f"{place}.{index}")]
    return found


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid(path):
    assert faults(tomllib.loads(path.read_text()), SCHEMA) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[credit]\nrule = 'grop'", "run.credit.rule: 'grop'"),
        ("[credit]\nrule = 'grpo'\nsettings = {ddof = 2}", "run.credit.settings.ddof: 2"),
        ("[credit]\nrule = 'grpo'\nsettings = {lambda = 1}", "run.credit.settings.lambda is unknown"),
        ("[credit]\nsettings = {lambda = -1}", "run.credit.settings.lambda: -1"),  # the default rule's
        ("[credit]\nrule = 'passk'\nsettings = {}", "run.credit.settings.k is missing"),
        ("[tasks]\nname = 'jsonl'\nsettings = {path = 3}", "run.tasks.settings.path: 3"),
        (
            "[verification.settings]\nqa = {max_words = true}",
            "run.verification.settings.qa.max_words: True is not of type integer",
        ),
        ("[guards.settings]\nentropi = {}", "run.guards.settings.entropi is unknown"),
        ("[loss]\ndenominator = 'tokens'", "run.loss.denominator: 'tokens'"),
        ("[credit]\nfilter = 'zero'", "run.credit.filter: 'zero'"),
        ("[prompt]\ntemplate = 'chatt'", "run.prompt.template: 'chatt'"),
        ("[guards]\nnames = ['entropi']", "run.guards.names.0: 'entropi'"),
        ("[learner]\nstep = 3", "run.learner.step is unknown"),
        ("[learner]\nsteps = 'many'", "run.learner.steps: 'many' is not of type integer"),
    ],
)
def test_a_wrong_value_is_not(text, place):
    assert place in faults(tomllib.loads(text), SCHEMA)


def test_what_may_be_unset_is_written_none():
    assert faults({"critic": {"value_clip": "none"}, "prompt": {"template": "none"}}, SCHEMA) == []
    assert faults({"critic": {"value_clip": None}}, SCHEMA) != []


def test_settings_are_described_where_they_are_declared():
    lam = settings_schema(RULES["weighted_reinforce"])["properties"]["lambda"]
    assert (lam["default"], lam["minimum"]) == (0.1, 0)
    assert lam["description"] == "Weight of the positive part, >= 0; `lambda` in a run file."
    inherited = settings_schema(TASKS["jsonl"])["properties"]["test_fraction"]
    assert inherited["description"] == "Expected share of `path` on the test side."
    assert all("description" in one for name in TASKS for one in settings_schema(TASKS[name])["properties"].values())
