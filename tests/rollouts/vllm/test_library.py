"""What is asked of vLLM, and what is said of its errors, with a module of that name in its place; vLLM itself is in test_engine.py."""

import random
import sys
import warnings
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from counterpoise.engines.local import sampler as local_sampler
from counterpoise.errors import MissingExtraError, ModelError, UsageError
from counterpoise.rollouts.vllm.engine import VllmEngine
from counterpoise.rollouts.vllm.sampler import EnginePrompt
from counterpoise.types import Problem, SamplingSettings

PAGE = "1 validation error for ModelConfig\n  Value error, no such thing\n    [type=value_error]\n" + "x" * 10_000


class Library(ModuleType):
    """Of vLLM what the engine uses; `fails` names the part that raises a page of text, `asked` is what the engine was made with."""

    __version__ = "0.32.0"

    def __init__(self, fails=None):
        super().__init__("vllm")
        self.fails, self.asked, self.slept = fails, {}, 0
        self.sampling_params = SimpleNamespace(RequestOutputKind=SimpleNamespace(FINAL_ONLY=2))

    def raise_if(self, part):
        if part == self.fails:
            raise RuntimeError(PAGE)

    def SamplingParams(self, **named):
        return SimpleNamespace(**named)

    def LLM(self, **asked):
        self.raise_if("start")
        self.asked = asked
        torch.manual_seed(0), np.random.seed(0), random.seed(0)  # as it does  # noqa: NPY002
        warnings.warn("of no concern", FutureWarning, stacklevel=1)
        return self

    def collective_rpc(self, name, *, kwargs):
        self.raise_if("push")

    def reset_prefix_cache(self):
        self.raise_if("forget")

    def generate(self, prompts, parameters, *, use_tqdm):
        self.raise_if("draw")
        return []

    def wake_up(self):
        self.raise_if("wake")

    def sleep(self, *, level):
        self.slept += 1


@pytest.fixture
def make(policy, monkeypatch):
    # What is set for the real one does not outlive the test.
    for name in ("VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_LOGGING_LEVEL", "VLLM_CPU_KVCACHE_SPACE"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("VLLM_NO_USAGE_STATS", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")

    def made(library, *, max_length=None, max_rows=8):
        monkeypatch.setitem(sys.modules, "vllm", library)
        return VllmEngine(*policy, dtype=torch.float32, max_length=max_length, max_rows=max_rows, memory_share=0.4)

    return made


def test_on_a_cpu_no_prompt_is_split_and_there_is_room_for_the_longest_response_alone(make):
    library = Library()
    make(library, max_length=40)
    # A prompt in two batches ends in "CPU Generator does not use offset": vLLM 0.32 draws seeded and sets the seed back by hand.
    assert library.asked["enable_chunked_prefill"] is False and library.asked["max_model_len"] == 40
    make(library)
    assert library.asked["max_model_len"] == 512  # the model's positions
    make(library, max_length=1000)
    assert library.asked["max_model_len"] == 512


def test_no_more_rows_are_asked_for_than_vllm_takes_in_a_batch(make):
    library = Library()
    make(library, max_rows=8192)
    assert library.asked["max_num_seqs"] == 2048  # 8,192 ended in "max_num_batched_tokens (4096) must be greater"


def test_the_callers_generators_are_as_they_were(make):
    states = [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # noqa: NPY002
    make(Library())
    assert states == [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # noqa: NPY002


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (
            "start",
            r"^vLLM cannot start with LlamaForCausalLM: RuntimeError: 1 validation error .*rollout.sampler=embedded$",
        ),
        ("push", r"^vLLM does not take the policy's weights: RuntimeError: 1 .*rollout.sampler=embedded$"),
        ("forget", r"^vLLM does not take the policy's weights: RuntimeError: 1 .*rollout.sampler=embedded$"),
        (
            "draw",
            r"^vLLM failed while it drew: RuntimeError: 1 .*what was saved is intact; lower rollout.max_rows where",
        ),
        ("wake", r"^vLLM cannot take its memory back: RuntimeError: 1 .*lower rollout.gpu_share or"),
    ],
)
def test_whatever_vllm_raises_is_one_line_that_says_what_to_do(make, part, says):
    ask = EnginePrompt(token_ids=[3], seed=0, limit=4)
    with pytest.raises(ModelError, match=says) as caught:
        engine = make(Library(part))
        engine.sleeps = True
        engine.sleep()
        engine.wake()
        engine.push([])
        engine.generate([ask], group_size=1, settings=SamplingSettings(max_tokens=4), end_ids=[1])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def broken(error):
    """A library that is there and raises when it is asked for a part of itself: vLLM imports those late."""

    class Broken(ModuleType):
        __version__ = "0.32.0"

        def __getattr__(self, name):
            raise error

    return Broken("vllm")


@pytest.mark.parametrize(
    ("library", "kind", "says"),
    [
        (None, MissingExtraError, "rollout.sampler=vllm needs the package 'vllm', which is not installed"),
        (
            broken(RuntimeError("operator torchvision::nms does not exist")),
            UsageError,
            "cannot be imported: RuntimeError: operator torchvision::nms does not exist; .*pip uninstall torchvision torchaudio",
        ),
        (
            broken(ModuleNotFoundError("No module named 'msgspec'", name="msgspec")),
            UsageError,
            "vllm is installed and cannot be imported: ModuleNotFoundError: No module named 'msgspec'; .*install it anew",
        ),
    ],
)
def test_a_library_that_is_absent_or_broken_is_told_apart(make, library, kind, says):
    with pytest.raises(UsageError, match=says) as caught:
        make(library)
    assert type(caught.value) is kind and "\n" not in str(caught.value)


def test_one_that_is_too_old_is_refused(make):
    library = Library()
    library.__version__ = "0.11.0"
    with pytest.raises(
        UsageError, match=r"vllm 0\.11\.0 is installed, and weights are pushed as 0\.32 takes them: pip install"
    ):
        make(library)


def test_a_run_asks_for_its_longest_prompt_and_response(make, policy, configure, monkeypatch):
    library = Library()
    monkeypatch.setitem(sys.modules, "vllm", library)

    def problem(question):
        return Problem(problem_id=question, task_type="t", question=question, gold="", verifier="exact")

    # One token for each character, and one for the end of the line: 5, 8 and 3.
    assembly = SimpleNamespace(train=[problem("3+4="), problem("10-2+5=")], test=[problem("1=")], template="plain")
    config = configure("rollout.sampler=vllm", "rollout.max_tokens=20", "rollout.max_rows=16")
    one = SimpleNamespace(num_processes=1, autocast=None)
    local_sampler.make_training_sampler(config, SimpleNamespace(model=policy[0], tokenizer=policy[1]), assembly, one)
    assert (library.asked["max_model_len"], library.asked["max_num_seqs"]) == (8 + 20, 16)
