"""A server that samples a tiny policy with our own sampler."""

import json

import pytest

from counterpoise.evaluation.store.rollouts import RolloutStore

TASK = ["--task", "countdown", "tasks.settings.count=2", "tasks.settings.largest=6", "evaluation.max_tokens=6"]
DRAWN = ["--problems", 3, "--retries", 0]


def stored(folder):
    return {(r.problem_id, r.sample): r for r in RolloutStore(folder).rollouts()}


def test_greedy_responses_are_those_of_the_local_evaluation(command, lab_server, tiny_policy, tmp_path):
    greedy = [*TASK, "evaluation.temperature=0", "evaluation.top_p=1.0", "--n", 1]
    assert command("eval", tiny_policy, *greedy, "--problems", 3, "--out", "local").exit_code == 0
    result = command("eval", lab_server.url, *greedy, *DRAWN, "--out", "served")
    assert result.exit_code == 0, result.stderr
    local, served = stored(tmp_path / "local"), stored(tmp_path / "served")
    assert served.keys() == local.keys()
    for name, ours in local.items():
        theirs = served[name]
        assert (theirs.text, theirs.tokens, theirs.stop_reason) == (ours.text, ours.tokens, ours.stop_reason)
        assert theirs.mean_log_prob == pytest.approx(ours.mean_log_prob, abs=1e-5)
    results = [json.loads((tmp_path / name / "passk.json").read_text()) for name in ("local", "served")]
    assert results[0]["curve"] == results[1]["curve"]
    assert results[0]["truncation_rate"] == results[1]["truncation_rate"]


def test_draws_are_the_servers_and_do_not_depend_on_the_requests(command, lab_server, tmp_path):
    warm = [*TASK, "evaluation.temperature=1.0", "evaluation.top_p=0.9", "evaluation.top_k=12", "--n", 6, *DRAWN]
    assert command("eval", lab_server.url, *warm, "--out", "a").exit_code == 0
    assert command("eval", lab_server.url, *warm, "--per-request", 1, "--out", "b").exit_code == 0
    first = stored(tmp_path / "a")
    assert {name: r.text for name, r in first.items()} == {n: r.text for n, r in stored(tmp_path / "b").items()}
    assert len({r.text for r in first.values()}) > 9  # of 18
    assert {body["top_k"] for body in lab_server.seen} == {12}
    assert command("compare", "a", "b").exit_code == 0


def test_a_model_without_a_chat_format(command, lab_server):
    result = command("eval", lab_server.url, *TASK, *DRAWN, "--n", 1, "prompt.template=chat")
    assert result.exit_code == 1
    assert "HTTP 400 Bad Request: this model has no chat template; nothing was drawn" in result.stderr
