"""Who draws the responses that are trained on: the embedded sampler, or vLLM with the weights pushed."""

from __future__ import annotations

from accelerate import Accelerator

from counterpoise.config import RunConfig
from counterpoise.engines.contract import PARITY_HALF
from counterpoise.engines.local.assemble import Assembly, make_sampler
from counterpoise.engines.local.policy import Policy
from counterpoise.errors import ConfigError
from counterpoise.prompts.lengths import prompt_lengths
from counterpoise.types import Sampler

__all__ = ["make_training_sampler"]

_GAPS = {"float32": 1e-3, "half": PARITY_HALF}
"""Nats a token between sampler and learner that are rounding."""


def make_training_sampler(config: RunConfig, policy: Policy, assembly: Assembly, accelerator: Accelerator) -> Sampler:
    """The sampler that `rollout.sampler` names.

    Raises:
        ConfigError: several processes are to share vLLM, which draws in one.
        MissingExtraError: vllm is not installed. UsageError: it is too old. ModelError: it cannot run the model.
    """
    if config.rollout.sampler == "embedded":
        return make_sampler(config, policy, accelerator)
    if accelerator.num_processes > 1:
        raise ConfigError(
            f"rollout.sampler=vllm draws in the process that trains, and there are {accelerator.num_processes}; use one process, "
            "rollout.sampler=embedded, or verl's trainer, which shards both (counterpoise launch verl)"
        )
    import torch

    from counterpoise.rollouts.vllm.engine import VllmEngine
    from counterpoise.rollouts.vllm.sampler import EngineSampler

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.learner.mixed_precision, policy.model.dtype)
    gap = config.rollout.max_gap or _GAPS["float32" if dtype == torch.float32 else "half"]
    engine = VllmEngine(
        policy.model,
        policy.tokenizer,
        dtype=dtype,
        max_length=_longest_prompt(policy, assembly) + config.rollout.max_tokens,
        max_rows=config.rollout.max_rows,
        memory_share=config.rollout.gpu_share,
    )
    return EngineSampler(engine, policy.model, policy.tokenizer, max_gap=gap, precision=accelerator.autocast)


def _longest_prompt(policy: Policy, assembly: Assembly) -> int:
    """Its tokens. Test problems are drawn with training's settings, too: anchors, and what a guard holds out."""
    return max(
        int(prompt_lengths(side, policy.tokenizer, template=assembly.template).max())
        for side in (assembly.train, assembly.test)
        if side
    )
