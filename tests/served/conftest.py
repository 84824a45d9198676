"""Servers that the tests start: one that samples a tiny policy, and one whose responses are known."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.rollouts.embedded import EmbeddedSampler
from counterpoise.types import Problem, Prompt, SamplingSettings, StopReason

_SPEC = importlib.util.spec_from_file_location("model_server", Path(__file__).parents[1] / "model_server.py")
assert _SPEC is not None and _SPEC.loader is not None
model_server = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(model_server)


class ToyServer(model_server.ModelServer):
    """Answers `Qa+b` with a+b or a+b+1, as the seed and the place of the choice say: even is right.

    `refuses` are fields that it takes no request with, `most` the choices that it gives, `names` whether a refusal names the field.
    """

    def __init__(self):
        super().__init__()
        self.refuses, self.names, self.most, self.extra = set(), True, 10**6, {}
        self.change = lambda reply: reply

    def honest(self, handler, body):
        refused = sorted(self.refuses & set(body))
        if refused:
            message = f"Unrecognized request arguments supplied: {', '.join(refused)}" if self.names else "Bad request"
            return self.json(handler, {"error": {"message": message, "type": "invalid_request_error"}}, 400)
        if body["model"] not in (self.models or [body["model"]]):
            message = f"The model `{body['model']}` does not exist."
            return self.json(handler, {"error": {"message": message}}, 404)
        chat = "messages" in body
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        a, b = map(int, re.search(r"(\d+)\+(\d+)", prompt).groups())
        choices = []
        for place in range(min(body.get("n", 1), self.most)):
            text = str(a + b + (body.get("seed", 0) + place) % 2)
            content = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            choices.append({"index": place, **content, "finish_reason": "stop", **self.extra})
        reply = {
            "object": "x",
            "model": body["model"],
            "choices": choices,
            "usage": {"completion_tokens": 2 * len(choices)},
        }
        return self.json(handler, self.change(reply))


class LabServer(model_server.ModelServer):
    """The honest one: it samples a policy with our own sampler, and gives log-probabilities. Its i-th choice has the seed + i."""

    def __init__(self, path):
        super().__init__()
        from counterpoise.models.load import load_model

        loaded = load_model(str(path))
        self.tokenizer = loaded.tokenizer
        self.sampler = EmbeddedSampler(loaded.model, loaded.tokenizer)

    def honest(self, handler, body):
        if not self.path_is_completions():
            return self.json(handler, {"error": {"message": "this model has no chat template"}}, 400)
        settings = SamplingSettings(
            temperature=body["temperature"],
            top_p=body["top_p"],
            top_k=body.get("top_k", 0),
            max_tokens=body["max_tokens"],
            stop=tuple(body.get("stop", ())),
        )
        problem = Problem(problem_id="p", task_type="t", question="", gold="", verifier="exact")
        ids = self.tokenizer(body["prompt"], return_tensors="np")["input_ids"][0]
        prompt = Prompt(problem=problem, text=body["prompt"], token_ids=ids)
        choices = []
        with self.lock:
            for place in range(body.get("n", 1)):
                seed = body["seed"] + place
                [[rollout]] = self.sampler.sample([prompt], group_size=1, settings=settings, seed=seed)
                finish = "length" if rollout.stop_reason is StopReason.LENGTH else "stop"
                log_probs = {"token_logprobs": [float(p) for p in rollout.log_probs]}
                choices.append({"index": place, "text": rollout.text, "finish_reason": finish, "logprobs": log_probs})
        return self.json(handler, {"model": body["model"], "choices": choices})

    def path_is_completions(self):
        return self.paths[-1] == "/v1/completions"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for variable in ("OPENAI_API_KEY", "COUNTERPOISE_JUDGE_KEY_VARIABLE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    running = ToyServer()
    yield running
    running.close()


@pytest.fixture
def others():
    """`others(2)`: so many further servers of the same model."""
    running = []

    def start(count):
        running.extend(ToyServer() for _ in range(count))
        return running

    yield start
    for one in running:
        one.close()


@pytest.fixture
def lab_server(tiny_policy):
    running = LabServer(tiny_policy)
    yield running
    running.close()


@pytest.fixture
def sums(tmp_path):
    """A file of four sums."""
    path = tmp_path / "sums.jsonl"
    lines = [{"question": f"{a}+1", "answer": str(a + 1)} for a in range(2, 6)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def ask(command, server, sums):
    """`ask("--n", 8)`: evaluate the toy server on the sums into `out`; a second go only where a test asks for it."""

    def call(*arguments, out="out", urls=None):
        task = ["--task", "jsonl", f"tasks.test={sums}", "tasks.settings.verifier=exact", "--out", out]
        return command("eval", *(urls or [server.url]), *task, "--retries", 0, "--timeout", 5, *arguments)

    return call


@pytest.fixture
def draws(tmp_path):
    """`draws("out")`: the text of every stored draw by problem and sample; each is there once."""

    def read(name="out"):
        store = RolloutStore(tmp_path / name)
        found = {(r.problem_id, r.sample): r.text for r in store.rollouts()}
        assert store.duplicates == 0 and not store.damages
        return found

    return read
