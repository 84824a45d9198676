"""Rows as `GRPOTrainer.log_completions` writes them."""

import math

import pytest


def row(prompt="1+1", completion="2", reward=1.0, **more):
    return {"step": 10, "prompt": prompt, "completion": completion, "accuracy_reward": reward, "advantage": 0.5, **more}


def said(role, content):
    return {"role": role, "content": content}


def test_a_row_of_text(written, read):
    source, [draw], _ = read(written("completions_00010.parquet", row()))
    assert (source.name, source.score) == ("trl", "accuracy_reward")
    assert (draw.prompt, draw.response, draw.gold, draw.score, draw.step) == ("1+1", "2", None, 1.0, 10)
    assert (draw.tokens, draw.stop_reason) == (None, None)


def test_conversational_rows(written, read):
    prompt = [said("system", "Be brief."), said("user", "1+1")]
    _, draws, _ = read(
        written(
            "completions_00010.parquet",
            row([said("user", "1+1")], [said("assistant", "2")]),
            row(prompt, [said("assistant", "call"), said("tool", "2"), said("assistant", "It is 2")]),
        )
    )
    assert [(draw.prompt, draw.response) for draw in draws] == [
        ("1+1", "2"),
        ("system: Be brief.\n\nuser: 1+1", "call\n\nIt is 2"),
    ]


def test_a_null_score_in_the_first_row_does_not_hide_the_column(written, read):
    source, draws, _ = read(written("completions_00010.parquet", row(reward=None), row(reward=0.25)))
    assert source.score == "accuracy_reward"
    assert math.isnan(draws[0].score)
    assert draws[1].score == 0.25


def test_a_gold_that_is_a_number_is_no_score(written, read):
    source, [draw], _ = read(written("completions_00010.parquet", row(answer=2, split="train")))
    assert (source.score, source.candidates, draw.gold) == ("accuracy_reward", (), "2")


@pytest.mark.parametrize("format_reward", [1.0, None])
def test_of_two_columns_that_may_be_it_none_is_taken(written, read, format_reward):
    path = written("completions_00010.parquet", row(format_reward=format_reward))
    source, [draw], _ = read(path)
    assert (source.score, draw.score) == (None, None)
    assert source.candidates == ("accuracy_reward", "format_reward")
    assert read(path, score="accuracy_reward")[0].score == "accuracy_reward"


def test_columns_of_nulls_alone_are_no_score(written, read):
    source, [draw], _ = read(written("completions_00010.parquet", row(reward=None)))
    assert (source.score, source.candidates, draw.score) == (None, (), None)


def test_a_step_as_text_and_a_step_in_the_name_alone(written, read):
    """TRL 0.26 has the step as text."""
    rows = row() | {"step": "7"}, {name: value for name, value in row().items() if name != "step"}
    assert read(written("a.parquet", rows[0]))[1][0].step == 7
    assert read(written("completions_00030.parquet", rows[1]))[1][0].step == 30
