"""vLLM is in an environment of its own (`make test-vllm`); elsewhere the tests of its engine are not collected."""

import importlib.util

import pytest

from counterpoise.models.lab import build_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.types import Problem, Prompt

collect_ignore_glob = [] if importlib.util.find_spec("vllm") else ["test_engine.py", "test_served.py"]


@pytest.fixture
def policy():
    """A random model of one layer whose heads are as wide as vLLM's kernels for CPUs want them, and its tokenizer."""
    return build_lab_model(seed=3, hidden_size=64, heads=2, layers=1), build_lab_tokenizer()


@pytest.fixture
def prompts(policy):
    """Three prompts, the first and the last for the same problem."""
    _, tokenizer = policy

    def prompt(name, text):
        problem = Problem(problem_id=name, task_type="t", question=text, gold="", verifier="exact")
        return Prompt(problem=problem, text=text, token_ids=tokenizer(text, return_tensors="np")["input_ids"][0])

    return [prompt("a", "3 + 4 = "), prompt("b", "10 - 2 = "), prompt("a", "3 + 4 = ")]
