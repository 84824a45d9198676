"""Rows under any names."""

import math

import pytest

from counterpoise.errors import DataError
from counterpoise.types import StopReason


def test_usual_names(written, read):
    source, [draw], _ = read(written("a.jsonl", {"question": "q", "completion": "c", "answer": 2, "correct": True}))
    assert (source.name, source.score) == ("jsonl", "correct")
    assert (draw.prompt, draw.response, draw.gold, draw.score) == ("q", "c", "2", 1.0)


def test_named_columns(written, read):
    named = {"prompt": "q", "response": "out", "gold": "a", "score": "ok", "id": "key", "step": "at"}
    row = {"q": "1+1", "out": "2", "a": "2", "ok": "False", "key": 17, "at": 3}
    _, [draw], _ = read(written("a.jsonl", row), **named)
    assert (draw.prompt, draw.response, draw.gold, draw.score) == ("1+1", "2", "2", 0.0)
    assert (draw.problem_id, draw.step) == ("17", 3)


def test_a_name_that_is_not_there(written, read):
    with pytest.raises(DataError, match=r"no column 'g'; the columns are: prompt, response. Name one that is there"):
        read(written("a.jsonl", {"prompt": "p", "response": "r"}), gold="g")


def test_one_column_is_the_score_of_the_whole_file(written, read):
    rows = [{"score": None, "reward": 3}, {"score": None, "reward": 4}]
    source, draws, _ = read(written("a.jsonl", *[{"prompt": "p", "response": "r", **row} for row in rows]))
    assert (source.score, [draw.score for draw in draws]) == ("reward", [3.0, 4.0])


def test_a_score_of_nulls_is_unscored(written, read):
    _, [draw], _ = read(written("a.jsonl", {"prompt": "p", "response": "r", "score": None}))
    assert math.isnan(draw.score)


@pytest.mark.parametrize(
    ("tokens", "stop", "read_as"),
    [(7, "length", (7, StopReason.LENGTH)), ([1, 2], "stop", (None, None)), (None, None, (None, None))],
)
def test_tokens_and_stop_reasons_only_where_they_are_ours(written, read, tokens, stop, read_as):
    _, [draw], refused = read(
        written("a.jsonl", {"prompt": "p", "response": "r", "tokens": tokens, "stop_reason": stop})
    )
    assert (draw.tokens, draw.stop_reason) == read_as
    assert refused.total == 0


def test_lone_surrogates_become_question_marks(written, read):
    _, [draw], _ = read(written("a.jsonl", {"prompt": "p\ud800", "response": "r\udfff"}))
    assert (draw.prompt, draw.response) == ("p?", "r?")
