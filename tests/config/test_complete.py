"""What a shell is told when TAB is pressed in `key=value`."""

import pytest

from counterpoise.config.complete import complete_override, complete_setting
from counterpoise.tasks.registry import TASKS


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("cr", ["credit.", "critic."]),
        ("credit.ru", ["credit.rule=", *(f"credit.rule={rule}" for rule in ("psr", "nsr"))]),
        ("credit.rule=ns", ["credit.rule=nsr"]),
        ("prompt.template=paper_l", ["prompt.template=paper_llama3.1"]),
        ("loss.denominator=tokens_s", ["loss.denominator=tokens_signed"]),
        ("model.name=lab:w", ["model.name=lab:weak"]),
        ("learner.schedule=", [f"learner.schedule={one}" for one in ("constant", "linear", "cosine")]),
        ("guards.act=", ["guards.act=true", "guards.act=false"]),
        ("learner.steps", ["learner.steps=", "learner.steps=100"]),
        ("model.lora.ra", ["model.lora.rank=", "model.lora.rank=0"]),
        ("credit.settings.la", ["credit.settings.lambda=", "credit.settings.lambda=0.1"]),
        ("guards.settings.entropy.f", ["guards.settings.entropy.factor=", "guards.settings.entropy.factor=2.0"]),
        ("learner.nothing", []),
        ("nothing.steps=", []),
        ("=", []),
        ("credit.rule=\x1b[2J", []),
    ],
)
def test_keys_and_then_what_stands_behind_them(typed, told):
    found = complete_override(typed, also={"model.name": ["lab", "lab:weak"]})
    assert found[: len(told)] == told
    assert bool(found) == bool(told)


def test_the_settings_are_those_of_what_was_chosen_before(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[credit]\nrule = "hinge"\n')
    assert "credit.settings.tau=" in complete_override("credit.settings.", ["credit.rule=hinge"])
    assert "credit.settings.tau=" in complete_override("credit.settings.", [str(file)])
    assert complete_override("credit.settings.t", [str(file), "credit.rule=nsr"]) == []


def test_a_run_file_that_cannot_be_read_is_no_news(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("[credit\n")
    assert "credit.settings.lambda=" in complete_override("credit.settings.", [str(file)])


@pytest.mark.parametrize("before", [["credit.rule"], ["credit.rule", "="]])
def test_a_shell_that_splits_at_the_sign_gets_the_value_alone(before):
    assert complete_override("max", before) == ["maxrl"]
    assert "nsr" in complete_override("", before)


def test_split_words_before_are_put_together_again():
    assert "credit.settings.tau=" in complete_override("credit.settings.", ["credit.rule", "=", "hinge"])


def test_a_task_s_own_settings_need_no_section():
    assert complete_setting(TASKS["countdown"], "co") == ["count="]
    assert complete_setting(TASKS["jsonl"], "allow_overlap=") == ["allow_overlap=true", "allow_overlap=false"]
    assert complete_setting(TASKS["jsonl"], "nothing=") == []
