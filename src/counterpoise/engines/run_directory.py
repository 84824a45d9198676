"""One run on disk: its resolved configuration, metrics, events, checkpoints and evaluations.

runs/NAME/config.toml  metrics.jsonl  samples.jsonl  anchors.jsonl  events.jsonl  checkpoints/step-…/  evaluation/step-…/  refused/step-….pt
          evaluation-t0.6-p0.95/step-…/                                                               measured again at another sampling
"""

from __future__ import annotations

import fcntl
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from counterpoise.config import EvaluationConfig, RunConfig
from counterpoise.engines.processes import on_main
from counterpoise.errors import StoreError, UsageError
from counterpoise.files import append_json_lines, atomic_write_text
from counterpoise.runfile import dump_config, load_config

__all__ = ["RunDirectory", "sampling_name"]

# A resumed run may do more of the same or store it differently; anything else would be another run under the old name.
RESUMABLE = (
    "learner.steps",
    "learner.tokens_per_microbatch",
    "learner.chunk_tokens",
    "rollout.max_rows",
    "verification.timeout",
    "verification.workers",
    "verification.max_unscored",
    "diagnostics.",
    "checkpoint.",
    "evaluation.",
    "tracking.",
    "run.directory",
    "run.name",
)


_SAMPLING = {"temperature": "t", "top_p": "p", "top_k": "k", "max_tokens": "m"}
"""Settings of [evaluation] that decide how responses are drawn, and what each begins its part of a folder's name with."""


class RunDirectory:
    """The directory of one run; `create` starts one, `open` continues one."""

    def __init__(
        self, path: Path, config: RunConfig, *, created: bool = False, own: EvaluationConfig | None = None
    ) -> None:
        """Name it; `own` is the evaluation the run was saved with, where `config` asks for another one, kept under other `evaluations`."""
        self.path = path
        self.config = config
        self._created = created
        self.evaluations = path / _folder(config.evaluation, own or config.evaluation)

    @classmethod
    def create(cls, config: RunConfig) -> RunDirectory:
        """Make the directory and save the resolved configuration; of several processes the main one does it.

        Raises:
            UsageError: a run is already there.
        """
        return on_main(lambda: cls._create(config))

    @classmethod
    def _create(cls, config: RunConfig) -> RunDirectory:
        path = config.path
        if (path / "config.toml").exists():
            raise UsageError(
                f"{path} already holds a run; continue it with: counterpoise train {path}  "
                "or give this one another name: run.name=…"
            )
        run = cls(path, config, created=True)
        atomic_write_text(path / "config.toml", dump_config(config))
        return run

    @classmethod
    def open(cls, path: Path, overrides: Sequence[str] = ()) -> RunDirectory:
        """Open a run, with overrides that a resumed run may change; of several processes the main one does it.

        Raises:
            UsageError: there is no run, or an override would make it another run.
        """
        return on_main(lambda: cls._open(path, overrides))

    @classmethod
    def _open(cls, path: Path, overrides: Sequence[str]) -> RunDirectory:
        run = cls.read(path, overrides)
        if not overrides:
            return run
        atomic_write_text(run.path / "config.toml", dump_config(run.config))
        return cls(run.path, run.config)

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str] = ()) -> RunDirectory:
        """`open` without keeping the overrides; evaluations at another sampling than the run's own have a folder of their own.

        Raises:
            UsageError: there is no run, or an override would make it another run.
        """
        path = Path(path)
        if not (path / "config.toml").is_file():
            raise UsageError(f"{path} is no run directory: it has no config.toml")
        for override in overrides:
            key = override.partition("=")[0].strip()
            if not any(key == name or (name.endswith(".") and key.startswith(name)) for name in RESUMABLE):
                raise UsageError(
                    f"{key} cannot change when a run is continued; start a new run with that override instead "
                    f"(what may change: {', '.join(name.rstrip('.') for name in RESUMABLE)})"
                )
        saved = path / "config.toml"
        own = load_config(saved).evaluation if overrides else None
        return cls(path, load_config(saved, overrides), own=own)

    @property
    def checkpoints(self) -> Path:
        """Directory of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """File of the per-step metrics."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """File of a few training rollouts."""
        return self.path / "samples.jsonl"

    @property
    def anchors(self) -> Path:
        """File of the base's responses that later policies are measured on."""
        return self.path / "anchors.jsonl"

    def evaluation(self, step: int) -> Path:
        """Directory of the evaluation store of one step."""
        return self.evaluations / f"step-{step:06d}"

    def refused(self, step: int, *, process: int = 0) -> Path:
        """File that a refused batch is saved to; each process saves its share."""
        return self.path / "refused" / (f"step-{step:06d}" + (f"-process-{process}" if process else "") + ".pt")

    def log(self, step: int, record: Mapping[str, float]) -> None:
        """Append one metrics line; numbers that are not finite become null, because JSON has no other word for them."""
        values = {k: v if math.isfinite(v) else None for k, v in record.items()}
        append_json_lines(self.metrics, [{"step": step, "time": round(time.time(), 3), **values}])

    def note(self, kind: str, step: int, message: str, **extra: Any) -> None:
        """Append one event, e.g. a resume, a damaged checkpoint or a refused step."""
        append_json_lines(
            self.path / "events.jsonl",
            [{"time": round(time.time(), 3), "kind": kind, "step": step, "message": message, **extra}],
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process and those launched with it; the system releases it however they end.

        A run just created that is refused inside the block before it did anything leaves its name free, so that the mistake can be
        mended and the same command given again.

        Raises:
            UsageError: somebody else is training in this directory.
            StoreError: the lock cannot be written.
        """
        with ExitStack() as held:
            on_main(lambda: held.enter_context(self._flock()))
            yield

    @contextmanager
    def _flock(self) -> Iterator[None]:
        path = self.path / ".lock"
        with ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                handle = stack.enter_context(open(path, "w", encoding="utf-8"))
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"{self.path} is in use by another process; wait for it or choose another run.name=…"
                ) from error
            except OSError as error:
                raise StoreError(f"cannot lock {path}: {error.strerror or error}") from error
            try:
                yield
            except UsageError:
                self._withdraw()
                raise

    def _withdraw(self) -> None:
        done = ("metrics.jsonl", "events.jsonl", "checkpoints", "evaluation", "refused")
        if self._created and not any((self.path / name).exists() for name in done):
            for name in ("config.toml", ".lock", "anchors.jsonl"):
                (self.path / name).unlink(missing_ok=True)
            with suppress(OSError):  # what else may be there is not ours
                self.path.rmdir()


def _folder(asked: EvaluationConfig, own: EvaluationConfig) -> str:
    """`evaluation`, followed by the sampling where it is not the run's own."""
    ours, theirs = ([getattr(config, name) for name in _SAMPLING] for config in (asked, own))
    if ours == theirs:
        return "evaluation"
    return f"evaluation-{sampling_name(dict(zip(_SAMPLING, ours, strict=True)))}"


def sampling_name(settings: Mapping[str, Any]) -> str:
    """E.g. `t0.6-p0.95`: the part of a folder's name that tells evaluations apart by temperature, top_p, top_k and max_tokens."""
    return "-".join(f"{letter}{settings[name]:g}" for name, letter in _SAMPLING.items() if settings.get(name))
