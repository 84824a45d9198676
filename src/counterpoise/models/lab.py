"""The lab's models: tiny Llamas over characters, small enough that a full RL experiment is minutes of one CPU core."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors.torch import save
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from counterpoise.errors import ModelError, UnknownNameError
from counterpoise.files import atomic_write
from counterpoise.models.lab_tokenizer import build_lab_tokenizer
from counterpoise.streams import stream

__all__ = ["LabSize", "build_lab_model", "lab_path", "save_lab_model"]

LabSize = Literal["strong", "weak", "graded", "paths"]
_WEIGHTS = Path(__file__).parent / "weights"


def build_lab_model(
    seed: int, *, hidden_size: int = 128, layers: int = 4, heads: int = 4, mlp_size: int = 352, positions: int = 512
) -> LlamaForCausalLM:
    """A freshly initialised lab model in float32: Llama blocks with rotary positions, input and output embeddings tied.

    The defaults have 0.81 million parameters. The initial weights depend on `seed` and the sizes alone, and the global random state is
    left as it was.

    Args:
        seed: Seed of the initial weights.
        hidden_size: Width of the residual stream; a multiple of `2 * heads`.
        layers: Blocks.
        heads: Attention heads.
        mlp_size: Inner width of the gated MLP.
        positions: Longest sequence, prompt and response together.

    Raises:
        ModelError: The width cannot be divided among the heads.
    """
    if hidden_size % (2 * heads):
        raise ModelError(
            f"hidden_size is {hidden_size} with {heads} heads, expected a multiple of {2 * heads}: "
            "rotary positions need heads of even width"
        )
    tokenizer = build_lab_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=mlp_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=positions,
        tie_word_embeddings=True,
        # 1/sqrt(width) and not the 0.02 of large models, with which so narrow a network learns nothing for its first hundred steps
        initializer_range=hidden_size**-0.5,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # transformers initialises from the global stream only; fork_rng gives the caller's state back
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "lab", "weights"))
        model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=True, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model


def lab_path(size: LabSize) -> Path:
    """Directory of a packaged lab model (`from_pretrained` reads it; compute in float32).

    Args:
        size: `strong` (pass@1 a little under one half on its task), `weak` (about one in fifteen) `graded` (two other tasks, whose
            answers are graded) or `paths` (a mixture of procedures with a wrong prior): `docs/lab.md` has the figures.

    Raises:
        UnknownNameError: There is no such size.
        ModelError: The package was installed without its weights.
    """
    if size not in get_args(LabSize):
        raise UnknownNameError("lab model", size, get_args(LabSize))
    path = _WEIGHTS / size
    if not (path / "model.safetensors").is_file():
        raise ModelError(
            f"the lab model '{size}' has no weights in {path}; reinstall counterpoise, or make it with: counterpoise pretrain --size {size}"
        )
    return path


def save_lab_model(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, path: Path) -> None:
    """Write model and tokenizer as a transformers directory, weights rounded to float16 (the caller's model is not changed).

    Half precision halves the repository's weight files; the packaged figures are measured on the rounded weights.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        path: Directory; created, and files of the same names replaced.

    Raises:
        ModelError: The directory cannot be written.
        StoreError: The disk is full or refuses the weights; older weights in the directory are untouched.
    """
    config = copy.deepcopy(model.config)
    config.architectures, config.dtype = [type(model).__name__], torch.float16
    # The head is the embedding: stored once, tied again by from_pretrained.
    state = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    try:
        path.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(path)
        model.generation_config.save_pretrained(path)
        tokenizer.save_pretrained(path)
        # last, so that a directory with weights is complete
        atomic_write(path / "model.safetensors", lambda handle: handle.write(save(state, metadata={"format": "pt"})))
    except OSError as error:
        raise ModelError(f"cannot write the model to {path}: {error.strerror or error}") from error
