"""Rows as verl's `_dump_generations` writes them; older versions have no `gts`."""

import pytest


def row(**changes):
    return {
        "input": "user\n1+1\nassistant\n",
        "output": "2",
        "gts": "2",
        "score": -1.0,
        "step": 5,
        "acc": False,
    } | changes


def test_with_gold(written, read):
    source, [draw], _ = read(written("5.jsonl", row()))
    assert (source.name, source.score) == ("verl", "score")
    assert (draw.prompt, draw.response, draw.gold, draw.score, draw.step) == (row()["input"], "2", "2", -1.0, 5)


def test_without_gold_and_step(written, read):
    old = {name: value for name, value in row().items() if name not in ("gts", "step")}
    source, [draw], _ = read(written("200.jsonl", old))
    assert (source.name, draw.gold, draw.step, draw.score) == ("verl", None, 200, -1.0)


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        (["2"], "2"),
        (2, "2"),
        (["2", "two"], '["2", "two"]'),
        ("so it is 2\n#### 2", "2"),
        ({"target": ["3"]}, "3"),
        ({"target": ["3", 4]}, '["3", "4"]'),
        ('{"target": ["3"]}', "3"),
        ({"ground_truth": "3", "style": "rule"}, "3"),
        ({"ground_truth": {"target": 3}}, "3"),
        ({"target": 98, "numbers": [44, 19, 35]}, None),
        ({"target": "3", "ground_truth": "4"}, None),
        ({"answer": "3"}, None),
        ({}, None),
        ([["3"]], None),
        (True, None),
        ('{"kind": "asserts", "tests": "assert f(1) == 1"}', '{"kind": "asserts", "tests": "assert f(1) == 1"}'),
        (None, None),
    ],
)
def test_golds_of_any_shape(written, read, gold, text):
    assert read(written("5.jsonl", row(gts=gold)))[1][0].gold == text


def test_another_number_as_the_score(written, read):
    source, [draw], _ = read(written("5.jsonl", row(acc=True)), score="acc")
    assert (source.score, draw.score) == ("acc", 1.0)


def test_a_directory_in_the_order_of_its_steps(written):
    from counterpoise.evaluation.imports.source import open_sources

    directory = written("val/100.jsonl", row()).parent
    written("val/20.jsonl", row())
    assert [source.path.name for source in open_sources([directory], "auto", {})] == ["20.jsonl", "100.jsonl"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"output": None}, "the response is null"),
        ({"input": None}, "the prompt is null"),
        ({"score": "high"}, "the score is 'high', expected a number; name another column with --score-column"),
        ({"score": [1]}, "the score is [1], expected a number; name another column with --score-column"),
        ({"step": 1.5}, "the step is 1.5, expected a whole number from 0"),
        ({"step": -1}, "the step is -1, expected a whole number from 0"),
    ],
)
def test_what_cannot_be_used_says_why(written, read, changes, reason):
    _, draws, refused = read(written("5.jsonl", row(), row(**changes)))
    assert len(draws) == 1
    assert [(damage.line, damage.reason) for damage in refused.first] == [(2, reason)]
