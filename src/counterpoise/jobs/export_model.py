"""A run's weights, or any checkpoint, as an ordinary Hugging Face directory with its card; and that directory to the hub."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.errors import CheckpointError, ModelError, StoreError, UsageError, error_line
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.files import cannot_write
from counterpoise.jobs.model_card import RUN_FILE, plain_card, run_card, run_file
from counterpoise.learner.checkpoint import CheckpointStore
from counterpoise.runs.directory import RunDirectory

__all__ = ["ExportedModel", "check_repository", "export_checkpoint", "export_run", "push_folder"]

_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """A directory that `AutoModelForCausalLM` loads."""

    path: Path
    """Where it is."""
    step: int | None
    """Training steps behind it; None where no run of ours is known."""
    evaluated: bool
    """Whether its card has a table of pass@k."""


def export_run(run: RunDirectory, out: Path, *, step: int | None = None, say: Callable[[str], None]) -> ExportedModel:
    """Write a checkpoint of a run (the newest intact one by default) as a whole model, adapters merged.

    Weights are safetensors in `model.dtype`; beside them tokenizer, `README.md` (pass@k, fingerprints of the problems, run file) and
    `run.toml`. The directory appears whole or not at all.

    Raises:
        UsageError: `out` is taken, or the step is the base itself.
        CheckpointError: the run has no such checkpoint, or none that is intact.
        ModelError: its weights, or the base under its adapters, cannot be loaded.
        StoreError: the directory cannot be written.
    """
    _refuse_taken(out)
    if step == 0:
        raise UsageError(
            f"{run.path}@0 is the model before training, {run.config.model.name}: there is nothing to export"
        )
    checkpoints = CheckpointStore(run.checkpoints, keep=run.config.checkpoint.keep, say=say)
    checkpoint = checkpoints.latest() if step is None else checkpoints.at(step)
    if checkpoint is None:
        raise CheckpointError(f"{run.path} has no intact checkpoint; continue it with: counterpoise train {run.path}")
    final = _evaluation(run, checkpoint.step)
    card = run_card(
        run.config, checkpoint.step, base=_evaluation(run, 0), final=final, identity=run.identity(checkpoint.path)
    )
    texts = {"README.md": card, RUN_FILE: run_file(run.config)}

    from counterpoise.engines.local.policy import load_policy  # torch

    policy = load_policy(run.config.model, checkpoint.policy)
    _write(policy.model, policy.tokenizer, out, texts)
    return ExportedModel(path=out, step=checkpoint.step, evaluated=final is not None)


def export_checkpoint(name: str, out: Path, *, trust_remote_code: bool = False) -> ExportedModel:
    """Write a model that another trainer left (TRL, verl, an adapter) as a whole one, in the precision that it is stored in.

    Raises:
        UsageError: `out` is taken.
        ModelError: it cannot be loaded.
        StoreError: the directory cannot be written.
    """
    _refuse_taken(out)
    from counterpoise.models.load import check_model, load_model

    check_model(name)
    loaded = load_model(name, dtype="auto", trust_remote_code=trust_remote_code)
    _write(loaded.model, loaded.tokenizer, out, {"README.md": plain_card(name)})
    return ExportedModel(path=out, step=None, evaluated=False)


def check_repository(repository: str, *, public: bool) -> Any:
    """The hub's client, once it is known that the hub can be written to; nothing is written yet.

    Raises:
        UsageError: the name is none, there is no token, or the repository is public and that was not asked for.
        StoreError: the hub cannot be reached, or refuses.
    """
    import huggingface_hub.utils as hub_utils
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        check: Any = hub_utils
        check.validate_repo_id(repository)
    except HFValidationError as error:
        raise UsageError(
            f"'{repository}' is not a name of a repository ({error_line(error)}); write OWNER/NAME"
        ) from error
    if not get_token():
        raise UsageError("there is no token of the Hugging Face hub here; log in with: hf auth login, or set HF_TOKEN")
    api = HfApi()
    try:
        private = api.repo_info(repository, timeout=_SECONDS).private
    except RepositoryNotFoundError:
        return api
    except Exception as error:  # of the HTTP client's dozens of kinds, or offline mode
        raise _refused(repository, error) from error
    if not private and not public:
        raise UsageError(f"{repository} is public on the hub; give --public if that is meant, or choose another name")
    return api


def push_folder(api: Any, folder: Path, repository: str, *, public: bool) -> str:
    """Make the repository (private unless `public`) and upload a directory; the address.

    Raises:
        StoreError: the hub cannot be reached, or refuses.
    """
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=str(folder), commit_message="Upload a model with counterpoise"
        )
    except Exception as error:
        raise _refused(repository, error) from error
    return str(getattr(done, "repo_url", None) or f"https://huggingface.co/{repository}")


def _refused(repository: str, error: Exception) -> StoreError:
    return StoreError(
        f"cannot write {repository} on the Hugging Face hub ({error_line(error)}); check the network, and that the token may write there"
    )


def _evaluation(run: RunDirectory, step: int) -> EvaluationResult | None:
    try:
        return EvaluationResult.load(run.evaluation(step))
    except StoreError:
        return None


def _refuse_taken(out: Path) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists():
        raise UsageError(f"{out} is there already; give another directory: -o DIR")


def _write(model: Any, tokenizer: Any, out: Path, texts: dict[str, str]) -> None:
    from counterpoise.models.load import quiet
    from counterpoise.models.lora import export_plain

    try:
        with _aside(out) as place:
            with quiet():
                export_plain(model, place, tokenizer=tokenizer)
            for name, text in texts.items():
                (place / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(cannot_write(out, error)) from error
    except ValueError as error:  # of a generation configuration that transformers reads and does not write
        raise ModelError(f"transformers does not write this model: {error_line(error)}") from error


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """A directory beside `out` that takes its place once the block is done, and is gone where it fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        place.chmod(0o755)
        yield place
        os.replace(place, out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
