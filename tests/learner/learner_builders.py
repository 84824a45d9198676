"""Small models, rollouts and losses for the learner's tests; the process of the two-process test imports it too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.update import Learner
from counterpoise.types import Counts, Credit, LossOutput, Rollout, StopReason, Sum

VOCABULARY = 23


def llama(*, seed: int = 0, tied: bool = True, hidden: int = 16, layers: int = 2, vocabulary: int = VOCABULARY) -> Any:
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        for parameter in model.parameters():  # larger than the usual 0.02, so that distributions are far from uniform
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.3)
    return model


def rollout(
    prompt: int, response: int, *, seed: int = 0, vocabulary: int = VOCABULARY, temperature: float = 1.0
) -> Rollout:
    draw = np.random.default_rng([seed, prompt, response])
    return Rollout(
        problem_id=f"p{seed}",
        prompt_ids=draw.integers(1, vocabulary, prompt),
        token_ids=draw.integers(1, vocabulary, response),
        mask=np.ones(response, dtype=np.bool_),
        log_probs=-draw.random(response).astype(np.float32) - 2.0,
        text="",
        temperature=temperature,
        stop_reason=StopReason.EOS,
        policy_version=0,
    )


def ragged(count: int, *, seed: int = 0) -> list[Rollout]:
    draw = np.random.default_rng(seed)
    return [rollout(int(draw.integers(1, 6)), int(draw.integers(1, 9)), seed=seed + row) for row in range(count)]


def credit(*advantages: float) -> Credit:
    values = torch.tensor(advantages)
    return Credit(plus=values.clamp(min=0.0), minus=(-values).clamp(min=0.0))


def naive(model: nn.Module, row: Rollout, *, temperature: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """(T,) log-probabilities and (T,) entropies of one unpadded row from all of its logits."""
    ids = torch.from_numpy(np.concatenate([row.prompt_ids, row.token_ids]))[None]
    logits = model(input_ids=ids, use_cache=False).logits[0].float() / temperature
    log_p = torch.log_softmax(logits[len(row.prompt_ids) - 1 : -1], dim=-1)
    return log_p.gather(1, ids[0, len(row.prompt_ids) :, None])[:, 0], -(log_p.exp() * log_p).sum(-1)


def _spread(sign: torch.Tensor) -> torch.Tensor:
    return sign if sign.ndim == 2 else sign[:, None]


def reinforce(
    *,
    log_probs: torch.Tensor,
    old_log_probs: torch.Tensor,
    plus: torch.Tensor,
    minus: torch.Tensor,
    mask: torch.Tensor,
    reference_log_probs: torch.Tensor | None = None,
    kl_weights: torch.Tensor | None = None,
    entropy: torch.Tensor | None = None,
) -> LossOutput:
    """-A log pi, plus 0.1 (log pi - log pi_ref) and -0.1 H where they are given, times the ratio's gradient-free value."""
    token = -(_spread(plus) - _spread(minus)) * torch.exp(log_probs - old_log_probs)
    if reference_log_probs is not None:
        held = 0.1 * (log_probs - reference_log_probs)
        token = token + (held if kl_weights is None else kl_weights[:, None] * held)
    if entropy is not None:
        token = token - 0.1 * entropy
    ratio = (log_probs - old_log_probs).detach().exp()
    return LossOutput(
        row_sums=(token * mask).sum(1),
        lengths=mask.sum(1),
        metrics={"ratio": Sum(total=(ratio * mask).sum().item(), count=float(mask.sum()))},
    )


def divide(output: LossOutput, counts: Counts) -> torch.Tensor:
    return output.row_sums.sum() / counts.tokens_all


def make_counts(rows: Credit, lengths: torch.Tensor, scored: torch.Tensor) -> Counts:
    signed = rows.nonzero if rows.nonzero.ndim == 1 else rows.nonzero.any(dim=1)
    return Counts(
        tokens_all=int(lengths[scored].sum()),
        tokens_signed=int(lengths[signed].sum()),
        sequences_all=int(scored.sum()),
        sequences_signed=int(signed.sum()),
    )


def one_process() -> Any:
    """An accelerator's surface without its process-wide state."""
    from contextlib import nullcontext

    return SimpleNamespace(
        device=torch.device("cpu"), num_processes=1, process_index=0, mixed_precision="no", autocast=nullcontext
    )


def learner(
    model: nn.Module, *, accelerator: Any = None, loss: Any = reinforce, reference: Any = None, **settings: Any
) -> Learner:
    return Learner(
        model,
        accelerator=accelerator or one_process(),
        settings=LearnerSettings(**{"learning_rate": 1e-2, **settings}),
        loss=loss,
        divide=divide,
        make_counts=make_counts,
        reference=reference,
    )


def parameters(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
