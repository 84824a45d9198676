"""Supervised pre-training of the lab's models: the recipe behind the packaged weights.

Each step draws problems and one demonstration of each at random, so a problem with several answers teaches all of them. That is the
point: a base that knows many answers has a pass@k far above its pass@1, and it is what reinforcement does to that gap that is studied.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from counterpoise.errors import ModelError, TrainingError, UsageError
from counterpoise.models.lab import build_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.streams import numpy_generator
from counterpoise.types import Problem

__all__ = [
    "GRADED",
    "PATHS",
    "PRESETS",
    "SMALL",
    "SMALL_SHORT",
    "STRONG",
    "WEAK",
    "PretrainReport",
    "PretrainSettings",
    "learning_rate_at",
    "pretrain",
]

_IGNORED: Final = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings:
    """How a lab model is made.

    Raises:
        UsageError: A setting is out of range; the message names it.
    """

    seed: int = 0
    """Seed of the initial weights and of every draw of data."""
    hidden_size: int = 128
    """Width of the residual stream."""
    layers: int = 4
    """Blocks."""
    heads: int = 4
    """Attention heads."""
    mlp_size: int = 352
    """Inner width of the gated MLP."""
    steps: int = 1600
    """Optimiser steps."""
    batch_size: int = 128
    """Examples per step."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    final_learning_rate: float = 1e-4
    """Learning rate after the last step."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """AdamW's decoupled decay; matrices only."""
    clip_norm: float = 1.0
    """Largest gradient norm (2-norm over all parameters)."""
    prompt_suffix: str = "\n"
    """Follows the question; the plain prompt template must write the same."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"pretrain: {name} is {getattr(self, name)}, expected at least 1")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise UsageError(f"pretrain: {name} is {getattr(self, name)}, expected a positive number")
        for name in ("final_learning_rate", "warmup_steps", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"pretrain: {name} is {getattr(self, name)}, expected zero or more")


STRONG: Final = (
    PretrainSettings(seed=1, steps=1500, warmup_steps=100),
    PretrainSettings(seed=2, steps=1500, warmup_steps=50),
    PretrainSettings(seed=3, steps=1500, warmup_steps=50),
)
WEAK: Final = (PretrainSettings(seed=1, steps=1600, warmup_steps=100),)
GRADED: Final = (PretrainSettings(seed=1, steps=650, batch_size=64, warmup_steps=100),)
PATHS: Final = (PretrainSettings(seed=1, steps=750, warmup_steps=100),)
SMALL: Final = (
    PretrainSettings(seed=1, hidden_size=64, layers=3, mlp_size=176, steps=900, learning_rate=4e-3, warmup_steps=60),
)
"""A fifth of the parameters: for bases that are made and not packaged, in two minutes each."""
SMALL_SHORT: Final = (dataclasses.replace(SMALL[0], steps=500),)
"""The same, for texts that follow a few patterns."""
PRESETS: Final = MappingProxyType[str, tuple[PretrainSettings, ...]](
    {
        "strong": STRONG,
        "weak": WEAK,
        "graded": GRADED,
        "paths": PATHS,
        "questions": SMALL,
        "units": SMALL,
        "code": SMALL_SHORT,
    }
)
"""Stages of each lab model, packaged (`lab.LabSize`) or not: each starts from the weights the one before ended with, with a new optimiser
and schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainReport:
    """What a pre-training run did."""

    steps: int
    """Optimiser steps made."""
    parameters: int
    """Trainable parameters, tied embeddings counted once."""
    losses: tuple[float, ...]
    """Loss of each step: mean negative log-likelihood per response token (EOS included), in nats."""
    seconds: float
    """Wall time of the loop."""


def learning_rate_at(step: int, settings: PretrainSettings) -> float:
    """Linear warm-up to the peak over `warmup_steps`, then half a cosine down to the final rate at the last step.

    Args:
        step: Step about to be made, from 0.
        settings: Peak, final rate, warm-up and length.
    """
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - 1 - settings.warmup_steps)
    span = settings.learning_rate - settings.final_learning_rate
    return settings.final_learning_rate + span * 0.5 * (1 + math.cos(math.pi * done))


def pretrain(
    settings: PretrainSettings,
    problems: Sequence[Problem],
    demonstrate: Callable[[Problem, np.random.Generator], str],
    *,
    start: LlamaForCausalLM | None = None,
    on_step: Callable[[int, float], None] = lambda _step, _loss: None,
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast, PretrainReport]:
    """Train a lab model on demonstrations.

    Minimises `-(1/M) sum log p(token | prefix)` over the M response tokens of a batch, EOS included; prompt tokens carry no loss.
    AdamW (betas 0.9, 0.98), gradient clipping, `learning_rate_at`. The same settings, problems and number of threads give the same
    weights on the same machine.

    Args:
        settings: Sizes, schedule and seed.
        problems: Training problems; each example is one, drawn uniformly with replacement.
        demonstrate: An answer to a problem, drawn with the given generator.
        start: Model to go on from, trained in place (sizes and initial weights of the settings are then not used); None starts a new one.
        on_step: Called after each step with the number of steps made and that step's loss.

    Returns:
        The model (float32, evaluation mode), its tokenizer, and the report.

    Raises:
        UsageError: There are no problems.
        ModelError: A text has a character outside the alphabet.
        TrainingError: The loss is not finite.
    """
    if not problems:
        raise UsageError("pretrain: no problems to train on; give at least one (is the train split empty?)")
    tokenizer = build_lab_tokenizer()
    model = start or build_lab_model(
        settings.seed,
        hidden_size=settings.hidden_size,
        layers=settings.layers,
        heads=settings.heads,
        mlp_size=settings.mlp_size,
    )
    model.train()
    optimizer = _adamw(model, settings)
    losses: list[float] = []
    started = time.perf_counter()
    for step, (token_ids, labels) in enumerate(_batches(settings, problems, demonstrate, tokenizer)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        # No attention mask: padding is on the right, where a causal model's response tokens cannot see it.
        hidden = model.model(input_ids=token_ids, use_cache=False).last_hidden_state
        wanted = labels != _IGNORED
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), labels[wanted])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"pretrain: the loss of step {step} is {losses[-1]}; lower learning_rate ({settings.learning_rate})"
            )
        optimizer.step()
        on_step(step + 1, losses[-1])
    report = PretrainReport(
        steps=len(losses),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        losses=tuple(losses),
        seconds=time.perf_counter() - started,
    )
    model.train(False)
    return model, tokenizer, report


def _adamw(model: LlamaForCausalLM, settings: PretrainSettings) -> torch.optim.AdamW:
    parameters = list(model.parameters())
    groups = [
        {
            "params": [parameter for parameter in parameters if parameter.ndim > 1],
            "weight_decay": settings.weight_decay,
        },
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)


def _batches(
    settings: PretrainSettings,
    problems: Sequence[Problem],
    demonstrate: Callable[[Problem, np.random.Generator], str],
    tokenizer: PreTrainedTokenizerFast,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """`steps` pairs of (B, W) int64 token ids and next-token labels, right-padded to the batch's longest example."""
    vocabulary = tokenizer.get_vocab()
    generator = numpy_generator(settings.seed, "pretrain", "data")
    for _ in range(settings.steps):
        examples: list[tuple[list[int], int]] = []
        for index in generator.integers(len(problems), size=settings.batch_size):
            problem = problems[index]
            prompt = problem.question + settings.prompt_suffix
            examples.append((_encode(prompt + demonstrate(problem, generator), vocabulary), len(prompt)))
        width = max(len(ids) for ids, _ in examples)
        token_ids = np.zeros((settings.batch_size, width), dtype=np.int64)
        labels = np.full((settings.batch_size, width), _IGNORED, dtype=np.int64)
        for row, (ids, prompt_length) in enumerate(examples):
            token_ids[row, : len(ids)] = ids
            labels[row, prompt_length - 1 : len(ids) - 1] = ids[prompt_length:]
            labels[row, len(ids) - 1] = vocabulary[str(tokenizer.eos_token)]
        yield torch.from_numpy(token_ids), torch.from_numpy(labels)


def _encode(text: str, vocabulary: dict[str, int]) -> list[int]:
    """One id per character: what the tokenizer gives (tested), without the cost of a tokenizer call per example."""
    try:
        return [vocabulary[character] for character in text]
    except KeyError as error:
        raise ModelError(
            f"the lab's alphabet has no {error.args[0]!r}, found in {text!r}; "
            "it holds digits, lower-case letters, blank, newline and + - * / ( ) = , . : ; # ?"
        ) from error
