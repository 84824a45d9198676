"""Low-rank adapters through `peft`, and the way back to a plain model."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.errors import ConfigError, MissingExtraError, ModelError, error_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["add_lora", "export_plain", "merged"]


def add_lora(
    model: PreTrainedModel,
    *,
    rank: int,
    alpha: float,
    dropout: float = 0.0,
    target_modules: str | Sequence[str] = "all-linear",
) -> Any:
    """Freeze `model` and add to each targeted matrix W (out, in) the trainable product (alpha / rank) B A.

    A is (rank, in), B is (out, rank) and zero at the start, so the policy is unchanged until the first update (Hu et al.
    2021, arXiv:2106.09685, section 4.1). Dropout acts on A's input in training mode only; with it the trained policy is not
    the sampled one, hence the default 0.

    Args:
        model: changed in place, as `peft` does.
        rank: columns of B; >= 1.
        alpha: scale; > 0.
        dropout: in [0, 1).
        target_modules: names (or endings of names) of linear layers, or `all-linear` (every one but the output head).

    Returns:
        The `peft.PeftModel`, whose only trainable parameters are A and B.

    Raises:
        ConfigError: a value out of its range, or target modules the model does not have.
        MissingExtraError: `peft` is not installed.
    """
    if rank < 1:
        raise ConfigError(f"lora rank is {rank}; it must be at least 1")
    if not alpha > 0:
        raise ConfigError(f"lora alpha is {alpha}; it must be above 0 (twice the rank is a common choice)")
    if not 0 <= dropout < 1:
        raise ConfigError(f"lora dropout is {dropout}; it must be in [0, 1)")
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("peft", extra="lora", purpose="training with LoRA") from error
    targets = target_modules if isinstance(target_modules, str) else list(target_modules)
    make_config: Any = peft.LoraConfig  # annotated with an integer alpha, which it does not need
    settings = make_config(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets, bias="none", task_type="CAUSAL_LM"
    )
    try:
        with warnings.catch_warnings():
            # peft reads a property of the model under its old name; the user can do nothing about it.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            return peft.get_peft_model(model, settings)
    except ValueError as error:
        linear = sorted({name.rsplit(".", 1)[-1] for name, part in model.named_modules() if _is_linear(part)})
        raise ConfigError(
            f"lora target_modules {targets!r} do not fit the model; its linear layers are: {', '.join(linear)}"
        ) from error


def export_plain(model: Any, directory: Path, *, tokenizer: PreTrainedTokenizerBase | None = None) -> Path:
    """Save a model as an ordinary Hugging Face directory, with its adapter (if it has one) merged in: W + (alpha / rank) B A.

    The model itself stays as it is, adapter separate, so training can go on. Needs memory for one copy of the model.
    """
    directory = Path(directory)
    plain = copy.deepcopy(model).merge_and_unload() if _is_peft(model) else model
    plain.save_pretrained(directory)
    if tokenizer is not None:
        tokenizer.save_pretrained(directory)
    return directory


def merged(base: Any, adapter: Path) -> Any:
    """The model with the adapter of a directory in its weights: W + (alpha / rank) B A; `base` is changed.

    Raises:
        ModelError: the adapter cannot be read, or does not fit the model.
        MissingExtraError: `peft` is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("peft", extra="lora", purpose="loading a LoRA adapter") from error
    try:
        whole = peft.PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    except Exception as error:  # of peft, safetensors or torch
        detail = error_line(error)
        raise ModelError(
            f"cannot put the adapter {adapter} into its base ({detail}); copy the adapter again, or see that its "
            "adapter_config.json names the model it was trained on"
        ) from error
    # peft has frozen the base, which is a model like any other now: it is trained, or explained by its gradient.
    return whole.requires_grad_(True)


def _is_linear(module: object) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear)


def _is_peft(model: object) -> bool:
    try:
        import peft
    except ImportError:
        return False
    return isinstance(model, peft.PeftModel)
