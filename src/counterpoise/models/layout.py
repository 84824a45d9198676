"""Which directory is the model, in what a trainer wrote: a checkpoint of TRL, verl or ours, whole or as an adapter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from counterpoise.errors import MissingExtraError, ModelError
from counterpoise.files import read_json
from counterpoise.text import counted

__all__ = ["WEIGHTS", "base_of", "holds_model", "is_adapter", "model_directory", "stored_dtype"]

WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Files of which a whole model has at least one."""

_FLOATING: Final = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_ADAPTER: Final = "adapter_config.json"
_ADAPTER_WEIGHTS: Final = ("adapter_model.safetensors", "adapter_model.bin")
_CHECKPOINT: Final = re.compile(r"(?:checkpoint-|global_step_)(\d+)")
_SHARD: Final = re.compile(r"model_world_size_(\d+)_rank_\d+\.pt")


def holds_model(path: Path) -> bool:
    """Whether a directory is one that `model_directory` has words for: a model, an adapter, or what a trainer writes around them."""
    return any(
        (place / name).exists() for place in (path, *_inner(path)) for name in ("config.json", _ADAPTER)
    ) or bool(_checkpoints(path) or _shards(path))


def is_adapter(path: Path) -> bool:
    """Whether a directory holds an adapter and no whole model."""
    return (path / _ADAPTER).is_file() and not (path / "config.json").is_file()


def model_directory(path: Path) -> Path:
    """The directory that holds the model of `path`: itself, or `actor/huggingface` of a step of verl, or its `lora_adapter`.

    TRL and transformers write a checkpoint as a model's directory (under PEFT as an adapter's), so that it is its own.

    Raises:
        ModelError: only shards of FSDP are there, which have to be merged; or it holds checkpoints, one of which has to be named.
    """
    if is_adapter(path):
        return path
    beside = (path.parent,) if path.name in ("huggingface", "lora_adapter") else ()
    actor = next((place for place in (path / "actor", path, *beside) if _shards(place)), None)
    for place in (path, *_inner(path)):
        if is_adapter(place) or (
            (place / "config.json").is_file() and any((place / name).is_file() for name in WEIGHTS)
        ):
            return place
    # A directory beside shards that lacks its weights is verl's; any other that lacks them has the words of whoever loads it.
    if actor is not None:
        ranks = len(_shards(actor))
        raise ModelError(
            f"{actor} holds the model as {counted(ranks, 'shard')} of FSDP only; merge them with: python -m verl.model_merger merge "
            f"--backend fsdp --local_dir {actor} --target_dir {actor}/merged  and give {actor}/merged (or save whole models too: "
            "actor_rollout_ref.actor.checkpoint.save_contents=['model','optimizer','extra','hf_model'])"
        )
    if not (path / "config.json").is_file() and (steps := _checkpoints(path)):
        shown = ", ".join(place.name for place in steps[-6:])
        raise ModelError(
            f"{path} holds the checkpoints of a training, not one model: {shown}; name one, e.g. {steps[-1]}"
        )
    return path


def base_of(adapter: Path) -> str:
    """The model that an adapter's directory belongs to, as its `adapter_config.json` names it.

    Raises:
        ModelError: the file is damaged, names no model or another kind than LoRA; or there are no weights beside it.
        MissingExtraError: `peft` is not installed.
    """
    path = adapter / _ADAPTER
    try:
        fields = read_json(path)
        kind, base = fields.get("peft_type"), fields.get("base_model_name_or_path")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged ({error}); copy the adapter again") from error
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"{path} does not say which model the adapter belongs to; write it there as base_model_name_or_path"
        )
    if kind != "LORA":
        raise ModelError(f"{path} is an adapter of kind {kind!r}; only LORA can be merged into its base here")
    if not any((adapter / name).is_file() for name in _ADAPTER_WEIGHTS):
        raise ModelError(f"{adapter} has no weights: expected {_ADAPTER_WEIGHTS[0]}; copy the adapter again")
    if find_spec("peft") is None:
        raise MissingExtraError("peft", extra="lora", purpose=f"loading the adapter {adapter}")
    return base


def _inner(path: Path) -> Iterator[Path]:
    for place in (path / "actor", path):
        yield place / "huggingface"
        yield place / "lora_adapter"
    if path.name == "huggingface":
        yield path.parent / "lora_adapter"


def _shards(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.iterdir() if _SHARD.fullmatch(entry.name)]
    except OSError:
        return []


def _checkpoints(path: Path) -> list[Path]:
    try:
        found = [(int(match[1]), entry) for entry in path.iterdir() if (match := _CHECKPOINT.fullmatch(entry.name))]
    except OSError:
        return []
    return [entry for _, entry in sorted(found) if entry.is_dir()]


def stored_dtype(path: Path) -> str | None:
    """Name in torch of the one precision that a directory's floating-point tensors are stored in; None where it cannot be said.

    Their files say it and not `config.json`, which is the base's own where a trainer has kept its weights in another precision: verl
    writes float32 weights beside a configuration of bfloat16. Only safetensors are looked at, and only their headers.
    """
    from safetensors import SafetensorError, safe_open

    found: set[str] = set()
    try:
        for file in sorted(path.glob("model*.safetensors")):
            with safe_open(file, framework="pt") as tensors:
                found |= {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118, no mapping
    except (OSError, SafetensorError):
        return None  # whoever loads it has the words
    floating = [_FLOATING[name] for name in found if name in _FLOATING]
    return floating[0] if len(floating) == 1 else None
