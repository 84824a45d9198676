"""verl's critic without flash attention where the platform is a CPU, on which there is none."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["attending"]

_WITHOUT = "sdpa"
"""What attends where the configuration names flash attention, which is verl's default."""


def attending(theirs: Callable[..., Any]) -> Callable[..., Any]:
    """Verl's `load_valuehead_model`, but on a CPU a token classifier with the attention that its configuration names.

    verl 0.9.1 passes `attn_implementation="flash_attention_2"` itself, which goes before every configuration, so that no option makes
    another of it. On every accelerator it is verl's own function that is called, with verl's own arguments.

    Args:
        theirs: verl's function.
    """

    @wraps(theirs)
    def load_valuehead_model(local_path: str, torch_dtype: Any, model_config: Any, trust_remote_code: bool) -> Any:
        from verl.utils.device import get_device_name

        if get_device_name() != "cpu":
            return theirs(local_path, torch_dtype, model_config, trust_remote_code)
        from transformers import AutoModelForTokenClassification

        named = getattr(model_config, "_attn_implementation", None) or _WITHOUT
        return AutoModelForTokenClassification.from_pretrained(
            local_path,
            dtype=torch_dtype,
            config=model_config,
            attn_implementation=_WITHOUT if named.startswith("flash") else named,
            trust_remote_code=trust_remote_code,
        )

    return load_valuehead_model
