"""The commented run file: it loads, it says every key, and it loads too when every comment is taken away."""

import re
import tomllib

import pytest

from counterpoise.build.checks import check_names
from counterpoise.config import RunConfig
from counterpoise.config.commented import commented
from counterpoise.config.describe import keys_of, sections
from counterpoise.credit import RULES
from counterpoise.runfile import parse_config
from counterpoise.tasks.registry import TASKS


def uncommented(text):
    """Every key behind a `#` active."""
    return re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)


def with_every_default(rule):
    # minibatch_unit=rows and a clamp need others; as they stand all defaults go together.
    return parse_config({"credit": {"rule": rule}})


@pytest.mark.parametrize("overrides", [[], ["credit.rule=hinge", "credit.settings.tau=0.25", "model.lora.rank=4"]])
def test_it_loads_as_the_configuration_that_it_was_made_of(overrides):
    config = parse_config({}, overrides)
    assert parse_config(tomllib.loads(commented(config))) == config


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule not in ("gdpo", "passk")]
)  # which have to be given settings
def test_with_every_comment_taken_away_it_is_the_same_run(rule):
    config = with_every_default(rule)
    opened = parse_config(tomllib.loads(uncommented(commented(config))))
    check_names(opened)
    given = opened.model_dump(mode="json")
    plain = config.model_dump(mode="json")
    tables = {(section, key) for section, table in plain.items() for key in table if key.endswith("settings")}
    for section, key in tables:
        given[section].pop(key, None), plain[section].pop(key, None)
    assert given == plain


def test_every_key_of_every_section_stands_in_it():
    tables = tomllib.loads(uncommented(commented(RunConfig())))
    for name, section in sections().items():
        table = tables
        for part in name.split("."):
            table = table[part]
        # a part without settings has no table of them
        assert {key.name for key in keys_of(section) if not key.name.endswith("settings")} <= table.keys()


def test_what_has_to_be_given_and_what_is_not_set_are_said():
    text = commented(parse_config({"credit": {"rule": "gdpo"}, "tasks": {"name": "jsonl"}}))
    assert "# dimensions has to be given: dimensions = …" in text
    assert "# path is not set" in text


@pytest.mark.parametrize("task", TASKS)
def test_any_task_can_be_begun_with(task):
    config = parse_config({"tasks": {"name": task}})
    assert parse_config(tomllib.loads(commented(config))) == config


def test_texts_of_others_stay_texts():
    name = 'a "quoted" \x7f \\ name\twith é'
    config = parse_config({"tracking": {"trackers": [name]}, "tasks": {"settings": {"a key": name}}})
    assert parse_config(tomllib.loads(commented(config))) == config
