"""From a GGUF file to a Hugging Face directory in float32, made once for each content of a file and kept in the cache."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from counterpoise.errors import MissingExtraError
from counterpoise.models.converted import cache_directory, keep_converted
from counterpoise.models.gguf.architecture import Layout, layout_of
from counterpoise.models.gguf.header import QUANTISATIONS, Header, TensorInfo, file_sha256, read_header
from counterpoise.models.gguf.tokenizer import check_tokenizer, write_tokenizer
from counterpoise.models.smollm2 import half_split_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["check_gguf", "gguf_directory"]

# Part of the directory's name: a change of the conversion must not meet a directory that an older one wrote.
_VERSION: Final = "v1"
_CLASSES: Final = {
    "llama": ("LlamaConfig", "LlamaForCausalLM"),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM"),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM"),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM"),
}
_FACTORS: Final = 1e-3
"""Relative distance of stored rotary factors from computed ones that is rounding."""


def check_gguf(path: Path) -> tuple[Header, Layout]:
    """Refuse what can be refused of a file before its weights are read, without torch.

    Raises:
        ModelError: it is damaged, or of an architecture, tokenizer or quantisation that is not read.
        MissingExtraError: `gguf` is not installed.
    """
    header = read_header(path)
    layout = layout_of(header)
    check_tokenizer(header)
    if find_spec("gguf") is None:
        raise MissingExtraError("gguf", extra="gguf", purpose=f"reading {path}")
    return header, layout


def gguf_directory(path: Path, *, cache: Path | None = None) -> Path:
    """The converted model of a file; the first call converts it (four bytes a parameter on disk, and in memory meanwhile).

    The values are those of the file, dequantised; float32 holds every one. Several processes may call this at once.

    Raises:
        ModelError: the file cannot be read, or the cache cannot be written.
        MissingExtraError: `gguf` is not installed.
    """
    header, layout = check_gguf(path)
    root = cache_directory() if cache is None else cache
    target = root / f"gguf-{file_sha256(path)[:32]}-{_VERSION}"
    if (target / "config.json").is_file():
        return target
    keep_converted(target, lambda place: _convert(header, layout, place), what=str(path), room="four bytes a parameter")
    return target


def _convert(header: Header, layout: Layout, target: Path) -> None:
    import torch
    import transformers
    from safetensors.torch import save_file

    ids = write_tokenizer(header, target)
    config_class, model_class = _CLASSES[header.architecture]
    fields = dict(layout.config)
    if layout.rope_freqs:
        fields["rope_parameters"] = _llama3(header, fields)
    # Qwen 2 knows no width of heads of its own.
    if header.architecture == "qwen2":
        width = fields.pop("head_dim")
        if width * fields["num_attention_heads"] != fields["hidden_size"]:
            raise header.refuse(f"has heads {width} wide, which Qwen 2 has not; give the model's directory")
    ends = ids["eos_token_id"]
    turn = header.fields.get("tokenizer.ggml.eot_token_id")
    make: Any = getattr(transformers, config_class)
    config = make(**fields, **ids, architectures=[model_class], dtype="float32")
    config.save_pretrained(target)
    generation: Any = transformers.GenerationConfig
    both = sorted({ends, turn}) if isinstance(turn, int) else ends
    generation(**{**ids, "eos_token_id": both}).save_pretrained(target)
    tensors = {}
    for name, wanted in layout.names.items():
        values = _values(header, header.tensors[name])
        if name in layout.permuted:
            values = half_split_rows(values, heads=layout.permuted[name])
        if name in layout.less_one:
            values = values - 1
        tensors[wanted] = torch.tensor(values)
    save_file(tensors, str(target / "model.safetensors"), metadata={"format": "pt"})


def _values(header: Header, tensor: TensorInfo) -> npt.NDArray[np.float32]:
    import gguf
    import numpy as np

    _, block, size = QUANTISATIONS[tensor.kind]
    shape = (*tensor.shape[:-1], tensor.shape[-1] // block * size)
    raw = np.memmap(header.path, dtype=np.uint8, mode="r", offset=tensor.start, shape=shape)
    found: npt.NDArray[np.float32] = gguf.dequantize(raw, gguf.GGMLQuantizationType(tensor.kind))
    return found.astype(np.float32, copy=False)


def _llama3(header: Header, fields: dict[str, Any]) -> dict[str, Any]:
    """The scaling of Llama 3.1 and later, found again from the factors that the file keeps of it.

    Raises:
        ModelError: the factors are of another scaling.
    """
    import numpy as np
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    stored = _values(header, header.tensors["rope_freqs.weight"]).reshape(-1)
    base = fields["rope_parameters"]["rope_theta"]
    rope = {
        "rope_type": "llama3",
        "rope_theta": base,
        "factor": float(stored.max()),
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    width = fields["head_dim"]
    make: Any = LlamaConfig
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](make(**{**fields, "rope_parameters": rope}), "cpu")
    plain = base ** -(np.arange(0, width, 2) / width)
    if stored.shape != plain.shape or not np.allclose(plain / scaled.numpy(), stored, rtol=_FACTORS):
        raise header.refuse(
            "scales its rotary frequencies in a way of its own (rope_freqs.weight); give the model's directory"
        )
    return rope
