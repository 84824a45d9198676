"""Real servers: one that samples a tiny policy with our own sampler, and `transformers serve` where what it needs is installed."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from counterpoise.evaluation.store import RolloutStore
from counterpoise.types import StopReason

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


SERVE = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")),
    reason="transformers serve needs fastapi, uvicorn and openai",
)
def test_transformers_serve(command, tiny_policy, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    call = [sys.executable, "-c", SERVE, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(call, stdout=log, stderr=log, env=os.environ) as process:
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{url}/health", timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None, (tmp_path / "log").read_text()
                    time.sleep(0.2)
            warm = [*TASK, "evaluation.temperature=1.0", "evaluation.top_p=1.0", "--n", 4, *DRAWN, "--out", "served"]
            result = command("eval", f"{url}/v1", "--model", tiny_policy, *warm)
        finally:
            process.kill()
    assert result.exit_code == 0, (result.stderr, (tmp_path / "log").read_text())
    assert "the server takes no top_k" in result.stderr  # it names the fields that it does not know
    assert "the server gave 1 of 4 responses that were asked for at once" in result.stderr
    draws = stored(tmp_path / "served")
    assert len(draws) == 12 and len({r.text for r in draws.values()}) > 6
    assert {r.stop_reason for r in draws.values()} <= {StopReason.EOS, StopReason.LENGTH}
    assert all(r.tokens <= 6 for r in draws.values())
    assert command("grade", "served").exit_code == 0
