import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.diagnostics.samples import choose_samples, merge_samples, token_texts
from counterpoise.types import Credit, Problem, Prompt, Reward, Rollout, StopReason, Verdict, VerdictValue


def _decode(ids):
    """Bytes, as byte-level tokenizers spell them; 0 is special."""
    return bytes(token for token in ids if token).decode(errors="replace")


def _batch(texts, verdicts, stops=None, problem="p"):
    rollouts = [
        Rollout(
            problem_id=problem,
            prompt_ids=np.array([1]),
            token_ids=np.array([*text.encode(), 0]),
            mask=np.ones(len(text.encode()) + 1, dtype=np.bool_),
            log_probs=np.full(len(text.encode()) + 1, -0.1234567, dtype=np.float32),
            text=text,
            temperature=1.0,
            stop_reason=stop,
            policy_version=0,
        )
        for text, stop in zip(texts, stops or [StopReason.EOS] * len(texts), strict=True)
    ]
    asked = Problem(problem_id=problem, task_type="t", question="q", gold="g", verifier="exact")
    return {
        "prompts": [Prompt(problem=asked, text="Q: q\n", token_ids=np.array([1]))] * len(texts),
        "rollouts": rollouts,
        "verdicts": [
            Verdict(value=VerdictValue(v), answer=None if v != "correct" else "g", basis="-", seconds=0.0, verifier="v", version="1")
            for v in verdicts
        ],
        "rewards": [Reward(value=math.nan if v == "unscored" else float(v == "correct")) for v in verdicts],
    }  # fmt: skip


def test_one_of_each_kind_and_no_response_twice():
    stops = [StopReason.EOS] * 5 + [StopReason.LENGTH]
    batch = _batch(
        ["a", "b", "c", "d", "e", "f"], ["correct", "correct", "wrong", "wrong", "unscored", "no_answer"], stops
    )
    credit = Credit(plus=torch.tensor([0.1, 0.2, 0, 0, 0, 0]), minus=torch.tensor([0, 0, 0.5, 0.5, 0, 0.5]))
    samples = choose_samples(step=3, credit=credit, decode=_decode, **batch)
    # minus is equal in c, d and f: the first; the wrong one is then the next, and f is left for the truncated
    assert [(sample.kind, sample.record["text"]) for sample in samples] == [
        ("largest_plus", "b"), ("largest_minus", "c"), ("correct", "a"), ("wrong", "d"), ("truncated", "f"),
    ]  # fmt: skip


def test_kinds_that_are_missing_are_left_out_and_equal_texts_count_once():
    batch = _batch(["a", "a", "a"], ["wrong"] * 3)
    credit = Credit(plus=torch.zeros(3), minus=torch.ones(3))
    assert [s.kind for s in choose_samples(step=1, credit=credit, decode=_decode, **batch)] == ["largest_minus"]


def test_of_equals_another_problem_goes_first():
    one, other = (_batch(["a", "b"], ["wrong", "correct"], problem=name) for name in ("p", "r"))
    batch = {name: [*one[name], *other[name]] for name in one}
    credit = Credit(plus=torch.zeros(4), minus=torch.tensor([1.0, 0.0, 1.0, 0.0]))
    samples = choose_samples(step=1, credit=credit, decode=_decode, **batch)
    # a of p is pushed down; the right one is b of r; a of r is left for the wrong one
    assert [(s.kind, s.record["problem_id"], s.record["text"]) for s in samples] == [
        ("largest_minus", "p", "a"), ("correct", "r", "b"), ("wrong", "r", "a"),
    ]  # fmt: skip


def test_the_line_is_what_the_report_reads():
    batch = _batch(["é7"], ["correct"])
    credit = Credit(plus=torch.tensor([0.25]), minus=torch.zeros(1))
    (sample,) = choose_samples(step=26, credit=credit, decode=_decode, **batch)
    assert json.loads(json.dumps(sample.record)) == {
        "step": 26, "problem_id": "p", "task_type": "t", "question": "q", "gold": "g", "prompt": "Q: q\n", "text": "é7",
        # the two bytes of é, 7, end of sequence
        "tokens": ["", "é", "7", ""], "log_probs": [-0.12346] * 4, "plus": 0.25, "minus": 0.0, "reward": 1.0,
        "verdict": "correct", "answer": "g", "stop_reason": "eos",
    }  # fmt: skip


def test_a_problem_with_a_solution_leaves_it():
    batch = _batch(["7"], ["wrong"])
    asked = batch["prompts"][0]
    batch["prompts"] = [replace(asked, problem=replace(asked.problem, demonstration="3+4"))]
    (sample,) = choose_samples(step=1, credit=Credit(plus=torch.zeros(1), minus=torch.ones(1)), decode=_decode, **batch)
    assert sample.record["solution"] == "3+4"


def test_credit_by_token_is_cut_to_the_response_and_counts_by_its_sum():
    batch = _batch(["a", "bcd"], ["wrong", "unscored"])
    plus = torch.tensor([[0.0, 0.5, 9.0, 9.0], [0.2, 0.2, 0.2, 0.0]])
    samples = choose_samples(step=1, credit=Credit(plus=plus * 0, minus=plus), decode=_decode, **batch)
    # padding carries no credit in a real batch; here it shows that the sum chose and that the record is cut
    assert samples[0].record["minus"] == [0.0, 0.5]
    assert samples[0].size == pytest.approx(18.5)
    unscored = _batch(["x"], ["unscored"], [StopReason.LENGTH])
    (left,) = choose_samples(
        step=1, credit=Credit(plus=torch.zeros(1), minus=torch.zeros(1)), decode=_decode, **unscored
    )
    assert (left.record["reward"], left.record["answer"], left.record["verdict"]) == (None, None, "unscored")


def test_processes_keep_the_largest_of_each_kind():
    one = choose_samples(
        step=1, credit=Credit(plus=torch.tensor([0.1]), minus=torch.zeros(1)), decode=_decode, **_batch(["a"], ["correct"])
    )  # fmt: skip
    other = choose_samples(
        step=1, credit=Credit(plus=torch.tensor([0.3, 0.0]), minus=torch.zeros(2)), decode=_decode,
        **_batch(["b", "c"], ["correct", "wrong"], problem="r"),
    )  # fmt: skip
    assert [record["text"] for record in merge_samples([one, other])] == ["b", "c"]
    assert [record["text"] for record in merge_samples([one, one])] == ["a"]


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_token_texts_concatenate_whatever_the_bytes(text):
    ids = [*text.replace("\0", "").encode(), 0]
    whole = _decode(ids)
    pieces = token_texts(ids, whole, _decode)
    assert len(pieces) == len(ids)
    assert "".join(pieces) == whole
    assert not any(piece.endswith("�") for piece in pieces) or "�" in whole


@given(st.binary(max_size=30))
def test_token_texts_concatenate_for_garbage_too(garbage):
    ids = list(garbage)
    whole = _decode(ids)
    assert "".join(token_texts(ids, whole, _decode)) == whole


def test_a_character_belongs_to_the_token_that_completes_it():
    ids = [*"a€b".encode(), 0]
    assert token_texts(ids, "a€b", _decode) == ["a", "", "", "€", "b", ""]


def test_text_that_no_prefix_explains_goes_to_the_last_token():
    assert token_texts([97, 98], "zz", _decode) == ["", "zz"]
    assert token_texts([], "", _decode) == []
