"""Load a causal language model and its tokenizer, and say in a sentence what is wrong when that cannot be done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from counterpoise.errors import ModelError, error_line
from counterpoise.files import JsonFault, irregular, parse_json, read_json, read_text, why
from counterpoise.models.gguf.convert import check_gguf
from counterpoise.models.gguf.header import is_gguf
from counterpoise.models.gguf.tokenizer import MADE_FROM
from counterpoise.models.hub import ask_hub, not_on_hub
from counterpoise.models.layout import WEIGHTS, base_of, is_adapter, stored_dtype
from counterpoise.models.lora import merged
from counterpoise.models.registry import MODELS, resolve_model
from counterpoise.models.smollm2 import check_smollm2
from counterpoise.text import counted

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["LoadedModel", "check_model", "load_model", "load_tokenizer", "quiet"]

Dtype = Literal["float32", "bfloat16", "auto"]

_KERNELS: Final = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}
"""The package that an implementation of attention is in, where it is not torch."""
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
    revision: str | None = None,
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
) -> LoadedModel:
    """Load a packaged model (`lab`, `smollm2`, …), a GGUF file, a directory or a hub id; a LoRA adapter is merged into its base.

    Args:
        name_or_path: packaged name, directory, or hub id.
        dtype: precision of the weights in memory; `auto` keeps the precision they are stored in, whatever the configuration says.
        device: where to put them; None leaves them on the CPU (the engine places its own).
        revision: commit, branch or tag of a model of the hub; None takes its newest.
        attn_implementation: how attention is computed, e.g. `eager`; None keeps what transformers chooses.
        trust_remote_code: run Python code that comes with the model; off unless you have read that code.

    Raises:
        ModelError: no such model or revision, no weights, damaged or incomplete weights, no tokenizer, hub unreachable.
        MissingExtraError: a packaged model needs an extra that is not installed.
    """
    if dtype not in ("float32", "bfloat16", "auto"):
        raise ModelError(f"dtype '{dtype}' is not known; choose float32, bfloat16 or auto")
    source, adapter = _found(name_or_path)
    _check_options(source, revision=revision, attn_implementation=attn_implementation)
    import transformers

    # transformers' own annotations do not cover its auto classes.
    auto_model: Any = transformers.AutoModelForCausalLM
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if isinstance(source, str):
        options |= {"local_files_only": not ask_hub(source, revision), "revision": revision}
    stored = stored_dtype(source) if dtype == "auto" and isinstance(source, Path) else None
    attention = {} if attn_implementation is None else {"attn_implementation": attn_implementation}
    with quiet():
        # The tokenizer first: it is cheap, and a fault in it should not cost the loading of the weights.
        tokenizer = _tokenizer(_of_tokenizer(source, adapter), options)
        try:
            model, info = auto_model.from_pretrained(
                str(source), dtype=stored or dtype, output_loading_info=True, **options, **attention
            )
        except Exception as error:
            raise _explain(source, "the weights", error) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"the weights of {source} lack {counted(len(missing), 'tensor')} the architecture needs (first: {missing[0]}); "
            "they would be random; save the whole model again with save_pretrained"
        )
    if adapter is not None:
        model = merged(model, adapter)
    _ensure_padding(model, tokenizer, source)
    if device is not None:
        model.to(device)
    model.eval()
    return LoadedModel(model=model, tokenizer=tokenizer, name=str(name_or_path))


def load_tokenizer(
    name_or_path: str | Path, *, revision: str | None = None, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """The tokenizer of a model alone, as `load_model` reads it; its directory must be a whole model's.

    Raises:
        ModelError: no such model, no tokenizer, hub unreachable.
        MissingExtraError: a packaged model needs an extra that is not installed.
    """
    source, adapter = _found(name_or_path)
    _check_options(source, revision=revision)
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if isinstance(source, str):
        options |= {"local_files_only": not ask_hub(source, revision), "revision": revision}
    with quiet():
        return _tokenizer(_of_tokenizer(source, adapter), options)


def _found(name_or_path: str | Path) -> tuple[Path | str, Path | None]:
    """The whole model, checked where it is a directory, and the adapter that goes into it."""
    source = resolve_model(name_or_path)
    adapter = source if isinstance(source, Path) and is_adapter(source) else None
    if adapter is not None:
        base = base_of(adapter)
        try:
            source = resolve_model(base)
        except ModelError as error:
            raise ModelError(
                f"{adapter} is an adapter of '{base}', which its adapter_config.json names: {error}"
            ) from error
    if isinstance(source, Path):
        check_directory(source)
    return source, adapter


def _of_tokenizer(source: Path | str, adapter: Path | None) -> Path | str:
    own = adapter is not None and any((adapter / name).is_file() for name in _TOKENIZERS)
    return adapter if own and adapter is not None else source


def _check_options(source: Path | str, *, revision: str | None, attn_implementation: str | None = None) -> None:
    if revision is not None and isinstance(source, Path):
        raise ModelError(
            f"model.revision={revision} chooses a commit of a model of the hub, and the model is here, in {source}; drop it"
        )
    package = _KERNELS.get(attn_implementation or "")
    if package is not None and find_spec(package) is None:
        raise ModelError(
            f"model.attn_implementation={attn_implementation} needs the package '{package}', which is not installed; "
            "use sdpa or eager, or install it"
        )


def _tokenizer(source: Path | str, options: dict[str, Any]) -> PreTrainedTokenizerBase:
    import transformers

    auto_tokenizer: Any = transformers.AutoTokenizer
    if isinstance(source, Path) and _made_from_gguf(source):
        auto_tokenizer, options = transformers.PreTrainedTokenizerFast, {}
    try:
        tokenizer: PreTrainedTokenizerBase = auto_tokenizer.from_pretrained(str(source), **options)
    except Exception as error:
        raise _explain(source, "the tokenizer", error) from error
    return tokenizer


def _made_from_gguf(source: Path) -> bool:
    """Whether the tokenizer was written from a GGUF file, so that the architecture's own class, with other cuts or tokens, is not it."""
    try:
        return read_json(source / "tokenizer_config.json").get("made_from") == MADE_FROM
    except (OSError, ValueError):
        return False


def check_model(name: str, *, revision: str | None = None, attn_implementation: str | None = None) -> None:
    """Check what can be checked of a model before anything heavy is imported; packaged ones are in order.

    Raises:
        ModelError: it can be neither a directory nor a hub id, its directory is not whole, or the hub cannot provide it.
    """
    # Making a packaged one takes longer than naming it.
    if name == "smollm2":
        check_smollm2()
    if name in MODELS or (is_gguf(name) and Path(name).expanduser().is_file()):
        source: Path | str = Path(name)
        if name not in MODELS:
            check_gguf(Path(name).expanduser())
    else:
        source = _found(name)[0]
    _check_options(source, revision=revision, attn_implementation=attn_implementation)
    if isinstance(source, str):
        ask_hub(source, revision)


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
                f"{path} holds a LoRA adapter, and what an adapter belongs to is a whole model; merge it first: "
                "counterpoise model export, or merge_and_unload of peft"
            )
        raise ModelError(f"{path} is not a model directory: no config.json; it holds {listing}")
    _check_configuration(path / "config.json")
    if not any(name in names for name in WEIGHTS):
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
        check_safetensors(shard)


def _check_configuration(path: Path) -> None:
    try:
        fields = parse_json(read_text(path))  # some have an infinite bound
        if not isinstance(fields, dict):
            raise JsonFault(f"a JSON {type(fields).__name__}, not an object")
    except (OSError, JsonFault) as error:
        raise ModelError(f"{path} is damaged ({why(error)}); copy it again") from error


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


def check_safetensors(path: Path) -> None:
    """Hold a file's header against its size.

    Raises:
        ModelError: it is damaged.
    """
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
    detail = error_line(error)
    if "trust_remote_code" in str(error):
        return ModelError(
            f"{source} comes with Python code of its own, which would run here with your rights; read that code, and then give "
            "model.trust_remote_code=true on the command line"
        )
    if "attn_implementation" in str(error):
        return ModelError(f"{source} cannot have this model.attn_implementation ({detail}); use eager, or drop it")
    if "ignore_mismatched_sizes" in str(error):  # transformers puts the shapes into its log
        return ModelError(
            f"{part} of {source} have other shapes than its config.json says (as with another vocabulary); put the config.json there "
            "that they were saved with, or save the model there again"
        )
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
