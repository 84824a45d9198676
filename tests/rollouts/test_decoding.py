from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoise.rollouts import decoding
from counterpoise.rollouts.sampling import row_uniforms
from counterpoise.rollouts.stopping import StopStrings
from counterpoise.types import SamplingSettings


def run(
    model, tokenizer, prompts, *, check_every: int, stop: tuple[str, ...] = (), pieces: list[list[int]] | None = None
) -> decoding.Decoded:
    """What was handed over, put together; `pieces` gets the rows of each piece."""
    whole = {"tokens": np.full((40, 20), -1), "log_probs": np.zeros((40, 20), np.float32)}
    whole |= {name: np.zeros(40, kind) for name, kind in (("lengths", int), ("stopped", bool), ("non_finite", int))}
    told: list[list[int]] = [] if pieces is None else pieces

    def ended(rows: np.ndarray, piece: decoding.Decoded) -> None:
        told.append(rows.tolist())
        for name in ("lengths", "stopped", "non_finite"):
            whole[name][rows] = getattr(piece, name)
        for name in ("tokens", "log_probs"):
            whole[name][rows, : piece.tokens.shape[1]] = getattr(piece, name)

    uniforms = row_uniforms(0, [(p.problem.problem_id, 0, g) for p in prompts for g in range(8)], 20)
    with decoding.inferring(model):
        batch = decoding.prefill(model, [prompt.token_ids for prompt in prompts], torch.device("cpu"))
        decoding.decode(
            batch,
            uniforms=uniforms,
            limits=np.full(len(uniforms), 20),
            settings=SamplingSettings(max_tokens=20),
            end_ids=(1, 2),
            stops=StopStrings(tokenizer, stop) if stop else None,
            positions=64,
            check_every=check_every,
            ended=ended,
        )
    assert sorted(row for piece in told for row in piece) == list(range(40))
    return decoding.Decoded(**whole)


@pytest.mark.parametrize("stop", [(), ("a", "bc", "f")])
@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral"])
def test_neither_checks_nor_compaction_change_a_rollout(
    make_model, tokenizer, prompts, monkeypatch, family, stop
) -> None:
    model = make_model(family)
    drawn = [run(model, tokenizer, prompts, check_every=every, stop=stop) for every in (1, 3, 20)]
    monkeypatch.setattr(decoding, "_COMPACT_SHARE", 2.0)  # never
    drawn.append(run(model, tokenizer, prompts, check_every=1, stop=stop))
    inside = np.arange(20) < drawn[0].lengths[:, None]
    for other in drawn[1:]:
        assert np.array_equal(drawn[0].lengths, other.lengths) and np.array_equal(drawn[0].stopped, other.stopped)
        assert np.array_equal(drawn[0].tokens[inside], other.tokens[inside])
        np.testing.assert_allclose(drawn[0].log_probs[inside], other.log_probs[inside], atol=1e-5, rtol=0)


def test_prompt_shares_do_not_change_a_rollout(make_model, tokenizer, prompts, monkeypatch) -> None:
    model = make_model("qwen3")
    whole = run(model, tokenizer, prompts, check_every=1)
    monkeypatch.setattr(decoding, "_PREFILL_TOKENS", 20)  # two prompts of width 9 at a time
    assert np.array_equal(whole.lengths, run(model, tokenizer, prompts, check_every=1).lengths)


def test_finished_masks_equal_the_models_own(make_model, tokenizer, prompts, monkeypatch) -> None:
    model = make_model("qwen2")
    finished = run(model, tokenizer, prompts, check_every=1)
    monkeypatch.setattr(decoding, "_TAKES_FINISHED_MASK", frozenset())
    own = run(model, tokenizer, prompts, check_every=1)
    assert np.array_equal(finished.lengths, own.lengths)
    inside = np.arange(20) < own.lengths[:, None]
    assert np.array_equal(finished.tokens[inside], own.tokens[inside])


def test_each_prompt_runs_once_and_the_batch_shrinks(make_model, tokenizer, prompts, monkeypatch) -> None:
    model = make_model("llama")
    shapes = []
    forward = decoding._forward
    monkeypatch.setattr(
        decoding, "_forward", lambda model, ids, *rest: (shapes.append(tuple(ids.shape)), forward(model, ids, *rest))[1]
    )
    drawn = run(model, tokenizer, prompts, check_every=1)
    assert shapes[0] == (5, 9)
    rows = [rows for rows, width in shapes[1:]]
    assert rows[0] <= 40 and rows == sorted(rows, reverse=True) and rows[-1] < rows[0]
    # Never more than a quarter of the rows computed are finished ones.
    computed = 40 + sum(rows)
    assert computed <= drawn.lengths.sum() / 0.75


def test_rows_are_handed_over_while_others_go_on(make_model, tokenizer, prompts, monkeypatch) -> None:
    model = make_model("llama")
    pieces: list[list[int]] = []
    early = run(model, tokenizer, prompts, check_every=1, pieces=pieces)
    assert len(pieces) > 2
    longest = [early.lengths[piece].max() for piece in pieces]
    assert longest == sorted(longest) and longest[0] < longest[-1]
    monkeypatch.setattr(decoding, "_COMPACT_SHARE", 2.0)  # never
    assert np.array_equal(early.lengths, run(model, tokenizer, prompts, check_every=1).lengths)
