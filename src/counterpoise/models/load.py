"""Load a causal language model and its tokenizer, and say in a sentence what is wrong when that cannot be done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from counterpoise.errors import ModelError
from counterpoise.files import irregular, read_json
from counterpoise.models.hub import ask_hub, not_on_hub
from counterpoise.models.registry import MODELS, resolve_model
from counterpoise.text import counted

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["LoadedModel", "check_model", "load_model", "load_tokenizer", "quiet"]

Dtype = Literal["float32", "bfloat16", "auto"]

_WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json", "spiece.model")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A policy ready to use."""

    model: PreTrainedModel
    """In evaluation mode; `config.pad_token_id` is set."""
    tokenizer: PreTrainedTokenizerBase
    """Has an end-of-sequence and a padding token."""
    name: str
    """What was asked for."""


def load_model(
    name_or_path: str | Path,
    *,
    dtype: Dtype = "float32",
    device: str | torch.device | None = None,
    trust_remote_code: bool = False,
) -> LoadedModel:
    """Load `lab`, `lab:weak`, `lab:graded`, `lab:paths`, `smollm2`, a local directory or a hub id.

    Args:
        name_or_path: packaged name, directory, or hub id.
        dtype: precision of the weights in memory; `auto` keeps the precision they are stored in.
        device: where to put them; None leaves them on the CPU (the engine places its own).
        trust_remote_code: run Python code that comes with the model; off unless you have read that code.

    Raises:
        ModelError: no such model, no weights, damaged or incomplete weights, no tokenizer, hub unreachable.
        MissingExtraError: a packaged model needs an extra that is not installed.
    """
    if dtype not in ("float32", "bfloat16", "auto"):
        raise ModelError(f"dtype '{dtype}' is not known; choose float32, bfloat16 or auto")
    source = resolve_model(name_or_path)
    if isinstance(source, Path):
        check_directory(source)
    import transformers

    # transformers' own annotations do not cover its auto classes.
    auto_model: Any = transformers.AutoModelForCausalLM
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if isinstance(source, str):
        options["local_files_only"] = not ask_hub(source)
    with quiet():
        # The tokenizer first: it is cheap, and a fault in it should not cost the loading of the weights.
        tokenizer = _tokenizer(source, options)
        try:
            model, info = auto_model.from_pretrained(str(source), dtype=dtype, output_loading_info=True, **options)
        except Exception as error:
            raise _explain(source, "the weights", error) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"the weights of {source} lack {counted(len(missing), 'tensor')} the architecture needs (first: {missing[0]}); "
            "they would be random; save the whole model again with save_pretrained"
        )
    _ensure_padding(model, tokenizer, source)
    if device is not None:
        model.to(device)
    model.eval()
    return LoadedModel(model=model, tokenizer=tokenizer, name=str(name_or_path))


def load_tokenizer(name_or_path: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model alone, as `load_model` reads it; its directory must be a whole model's.

    Raises:
        ModelError: no such model, no tokenizer, hub unreachable.
        MissingExtraError: a packaged model needs an extra that is not installed.
    """
    source = resolve_model(name_or_path)
    if isinstance(source, Path):
        check_directory(source)
    options: dict[str, Any] = {"local_files_only": not ask_hub(source)} if isinstance(source, str) else {}
    with quiet():
        return _tokenizer(source, options)


def _tokenizer(source: Path | str, options: dict[str, Any]) -> PreTrainedTokenizerBase:
    import transformers

    auto_tokenizer: Any = transformers.AutoTokenizer
    try:
        tokenizer: PreTrainedTokenizerBase = auto_tokenizer.from_pretrained(str(source), **options)
    except Exception as error:
        raise _explain(source, "the tokenizer", error) from error
    return tokenizer


def check_model(name: str) -> None:
    """What can be said against a model before anything heavy is imported; packaged ones are in order.

    Raises:
        ModelError: it can be neither a directory nor a hub id, its directory is not whole, or the hub cannot provide it.
    """
    if name in MODELS:
        return
    source = resolve_model(name)
    if isinstance(source, Path):
        check_directory(source)
    else:
        ask_hub(source)


def check_directory(path: Path) -> None:
    """Cheap checks of a model directory before anything heavy is imported: files present, safetensors whole.

    Raises:
        ModelError: with what is missing or damaged and what to do.
    """
    names = sorted(entry.name for entry in path.iterdir())
    for name in names:  # whoever opens a pipe waits for somebody to write
        if (kind := irregular(path / name)) is not None:
            raise ModelError(f"{path / name} is {kind}; copy the model there again")
    listing = ", ".join(names[:12]) + (", …" if len(names) > 12 else "") if names else "nothing"
    if "config.json" not in names:
        if "adapter_config.json" in names:
            raise ModelError(
                f"{path} holds a LoRA adapter, not a model; merge it into its base first (counterpoise.models.lora.export_plain)"
            )
        raise ModelError(f"{path} is not a model directory: no config.json; it holds {listing}")
    if not any(name in names for name in _WEIGHTS):
        raise ModelError(
            f"{path} has no weights: expected model.safetensors (or its index), found {listing}; "
            "copy the weight files there, or save the model again with save_pretrained"
        )
    if not any(name in names for name in _TOKENIZERS):
        raise ModelError(
            f"{path} has no tokenizer: expected tokenizer.json, found {listing}; "
            "save it there with tokenizer.save_pretrained"
        )
    for shard in _safetensors_files(path):
        _check_safetensors(shard)


def _safetensors_files(path: Path) -> list[Path]:
    single, index = path / "model.safetensors", path / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        return []
    try:
        names = sorted(set(read_json(index)["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index} is damaged ({error}); copy it again") from error
    absent = [name for name in names if not (path / name).is_file()]
    if absent:
        raise ModelError(
            f"{path} lacks {len(absent)} of {counted(len(names), 'weight file')} (first: {absent[0]}); copy them there"
        )
    return [path / name for name in names]


def _check_safetensors(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        # Reads the header and compares the file's size with it: a truncated copy is caught without reading the tensors.
        with safe_open(str(path), framework="numpy"):
            pass
    except SafetensorError as error:
        raise ModelError(
            f"{path} is damaged ({error}; {path.stat().st_size:,} bytes); copy or download it again, "
            "or go back to the checkpoint before it"
        ) from error


def _ensure_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: Path | str) -> None:
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer of {source} has no end-of-sequence token; set eos_token in its tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        # Rollouts carry their own mask, so padding with EOS cannot hide a real EOS.
        tokenizer.pad_token = tokenizer.eos_token
    embeddings: Any = model.get_input_embeddings()
    rows = embeddings.weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer of {source} has {len(tokenizer):,} tokens and the model {rows:,} embeddings; "
            "they do not belong together: save model and tokenizer from the same source"
        )
    model.config.pad_token_id = tokenizer.pad_token_id
    if model.generation_config is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id


def _explain(source: Path | str, part: str, error: Exception) -> ModelError:
    detail = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(source, Path):
        return ModelError(f"cannot load {part} of {source}: {detail}; save or copy the model there again")
    return not_on_hub(source, error, part=part)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars, which would tear the live display."""
    from transformers import utils

    logging: Any = utils.logging
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
