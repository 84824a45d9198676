"""`transformers serve`, started here on a tiny policy with a chat template: drawn from, killed, started again, gone on with."""

import importlib.util
import json
import re
import socket
import time
import urllib.request

import pytest

from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.types import StopReason

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("fastapi", "openai", "uvicorn")),
        reason="transformers serve needs fastapi, openai and uvicorn",
    ),
]

TASK = ["--task", "countdown", "tasks.settings.count=2", "tasks.settings.largest=6", "evaluation.max_tokens=6"]
CHAT = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


@pytest.fixture(scope="module")
def chat_policy(tiny_policy, tmp_path_factory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = tmp_path_factory.mktemp("chat") / "tiny-chat"
    AutoModelForCausalLM.from_pretrained(tiny_policy).save_pretrained(path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_policy)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def serve(python):
    """`serve()`: the address of a server that has just been started, and its process."""

    def start():
        for _ in range(3):  # somebody else may take the port before the server does
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            where = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
            process = python("transformers", "serve", *where, module="transformers.cli.transformers")
            deadline = time.monotonic() + 200
            while process.poll() is None:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    return f"http://127.0.0.1:{port}/v1", process
                except OSError:
                    assert time.monotonic() < deadline, process.stderr
                    time.sleep(0.1)
            assert "address already in use" in process.stderr, process.stderr
        raise AssertionError("three ports were taken")

    return start


def stored(folder):
    store = RolloutStore(folder)
    found = {(r.problem_id, r.sample): r for r in store.rollouts()}
    assert store.duplicates == 0 and not store.damages
    return found


def counts(folder):
    return [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]


def answered(process, endpoint):
    """How many requests the server says that it answered with a response."""
    return len(re.findall(rf'"POST /v1/{endpoint} HTTP/1\.1" 200', process.stdout + process.stderr))


@pytest.fixture
def dies_after(monkeypatch):
    """`dies_after(5, process)`: the process is killed when the fifth response from now on is stored."""

    def arm(count, process):
        append, seen = RolloutStore.append, []

        def counting(store, rollouts):
            new = append(store, rollouts)
            seen.extend(rollouts)
            if len(seen) >= count:
                process.kill()
                process.wait()
            return new

        monkeypatch.setattr(RolloutStore, "append", counting)
        return lambda: monkeypatch.setattr(RolloutStore, "append", append)

    return arm


def test_an_evaluation_goes_on_where_its_server_was_killed(command, serve, dies_after, chat_policy, tmp_path):
    def evaluate(url, *rest):
        drawn = ["evaluation.temperature=1.0", "evaluation.top_p=1.0", "prompt.template=chat", "--retries", 0]
        size = ["--problems", 4, "--n", 4, "--per-request", 1]
        return command("eval", url, "--model", chat_policy, *TASK, *drawn, *size, "--out", "served", *rest)

    out = tmp_path / "served"
    url, process = serve()
    alive = dies_after(5, process)
    lost = evaluate(url, "--concurrency", 1)
    alive()
    assert lost.exit_code == 1 and "; 5 of 16 rollouts are in served" in lost.stderr, (lost.output, process.stderr)
    assert "the server takes no top_k" in lost.stderr  # it names the fields that it does not know
    first = stored(out)
    assert len(first) == 5

    url, process = serve()
    result = evaluate(url)
    assert result.exit_code == 0, (result.output, process.stderr)
    draws = stored(out)
    assert first.items() <= draws.items()
    assert sorted(sample for _, sample in draws) == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert [line["n"] for line in counts(out)] == [4] * 4
    assert answered(process, "chat/completions") == 16 - 5  # one response for each request
    assert len({r.text for r in draws.values()}) > 8  # of 16
    assert {r.stop_reason for r in draws.values()} <= {StopReason.EOS, StopReason.LENGTH}
    assert all(r.tokens <= 6 for r in draws.values())
    assert evaluate(url).exit_code == 0
    assert answered(process, "chat/completions") == 16 - 5  # a finished evaluation asks nobody
    assert stored(out) == draws
    assert command("grade", "served").exit_code == 0


def test_greedy_completions_are_those_of_the_local_evaluation(command, serve, chat_policy, tmp_path):
    plain = [*TASK, "evaluation.top_p=1.0", "prompt.template=plain", "--problems", 4]
    greedy = [*plain, "evaluation.temperature=0", "--n", 1]
    url, process = serve()
    served = ["--model", chat_policy, "--retries", 0]
    result = command("eval", url, *served, *greedy, "--out", "served")
    assert result.exit_code == 0, (result.output, process.stderr)
    assert command("eval", chat_policy, *greedy, "--out", "local").exit_code == 0
    # Not how they ended: the server calls it the limit where the last token allowed is the end.
    ours, theirs = (
        {name: (r.text, r.tokens) for name, r in stored(tmp_path / out).items()} for out in ("local", "served")
    )
    assert theirs == ours and len(ours) == 4
    warm = command("eval", url, *served, *plain, "evaluation.temperature=1.0", "--n", 4, "--out", "warm")
    assert warm.exit_code == 0, (warm.output, process.stderr)
    assert "the server gave 1 of 4 responses that were asked for at once" in warm.stderr
    assert [line["n"] for line in counts(tmp_path / "warm")] == [4] * 4
    assert len({r.text for r in stored(tmp_path / "warm").values()}) > 8  # of 16
