"""The policy of a run: from its base, from a checkpoint, and back to disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from counterpoise.config import ModelConfig
from counterpoise.errors import MissingExtraError
from counterpoise.models.load import LoadedModel, load_model, quiet
from counterpoise.models.lora import add_lora
from counterpoise.streams import stream

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Policy", "load_base", "load_policy", "policy_writer", "restore_policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A model with its tokenizer."""

    model: Any
    """`transformers.PreTrainedModel`, or `peft.PeftModel` around one."""
    tokenizer: PreTrainedTokenizerBase
    """Its tokenizer."""


def load_policy(config: ModelConfig, saved: Path | None = None, *, seed: int = 0) -> Policy:
    """The base of `config`, with new adapters (drawn from `seed`) if it asks for them; or what a checkpoint's `policy/` holds.

    Raises:
        ModelError: the base or the saved weights cannot be loaded.
        MissingExtraError: LoRA is asked for and `peft` is absent.
    """
    lora = config.lora.rank > 0
    loaded = load_base(config) if saved is None or lora else _load(config, saved)
    model: Any = loaded.model
    if lora and saved is None:
        # peft draws from the global stream only; fork_rng gives the caller's state back
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(seed, "lora"))
            model = add_lora(
                model,
                rank=config.lora.rank,
                alpha=config.lora.alpha,
                dropout=config.lora.dropout,
                target_modules=config.lora.target_modules,
            )
    elif lora:
        try:
            import peft
        except ImportError as error:
            raise MissingExtraError("peft", extra="lora", purpose="loading a LoRA checkpoint") from error
        model = peft.PeftModel.from_pretrained(model, str(saved), is_trainable=True)
        for adapter in model.peft_config.values():  # the base may have been moved since the adapter was saved
            adapter.base_model_name_or_path = model.get_base_model().name_or_path
    return Policy(model=model, tokenizer=loaded.tokenizer)


def load_base(config: ModelConfig) -> LoadedModel:
    """The model that `[model]` names, as it was before any training and without adapters.

    Raises:
        ModelError: it cannot be loaded.
    """
    return _load(config, config.name, revision=config.revision)


def _load(config: ModelConfig, source: str | Path, *, revision: str | None = None) -> LoadedModel:
    return load_model(
        source,
        dtype=config.dtype,
        revision=revision,
        attn_implementation=config.attn_implementation,
        trust_remote_code=config.trust_remote_code,
    )


def restore_policy(policy: Policy, config: ModelConfig, saved: Path) -> None:
    """Give the policy, in place, the weights that a checkpoint's `policy/` holds: samplers and optimisers hold on to it.

    Raises:
        ModelError: the saved weights cannot be loaded.
    """
    policy.model.load_state_dict(load_policy(config, saved).model.state_dict())


def policy_writer(policy: Policy) -> Callable[[Path], None]:
    """A function that writes the policy as a Hugging Face directory (the adapter alone under LoRA)."""

    def write(path: Path) -> None:
        with quiet():
            policy.model.save_pretrained(path)
            policy.tokenizer.save_pretrained(path)

    return write
