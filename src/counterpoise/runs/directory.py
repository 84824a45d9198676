"""One run on disk: its resolved configuration, metrics, events, checkpoints and evaluations.

runs/NAME/config.toml  identity.json  metrics.jsonl  samples.jsonl  anchors.jsonl  base_evidence.jsonl  events.jsonl  ended.json
          checkpoints/step-…/  evaluation/step-…/  refused/step-….pt
          evaluation-t0.6-p0.95/step-…/            measured again at another sampling
"""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterpoise.config import EvaluationConfig, RunConfig
from counterpoise.config.parts import sources_in
from counterpoise.config.paths import missing
from counterpoise.errors import ConfigError, StoreError, UsageError
from counterpoise.files import JsonFault, append_json_lines, atomic_write_text, cannot_write, json_lines, read_text
from counterpoise.processes import on_main
from counterpoise.runfile import dump_config, load_stored, settled
from counterpoise.runs.identity import (
    PLACE,
    RESUMABLE,
    Identity,
    differing,
    flat,
    identity_of,
    refuse_differing,
    same_problems,
    side_of,
    with_file,
)
from counterpoise.runs.kept import newest_identity, newest_kept, refuse_damaged
from counterpoise.runs.lock import lock_directory
from counterpoise.runs.parts import keep_copies, same_parts, where_kept
from counterpoise.runs.sampling import evaluations_folder
from counterpoise.text import counted
from counterpoise.types import Problem

__all__ = ["MEASURED", "RunDirectory"]

MEASURED = ("threads", "precision")
"""Kinds of the events that keep what was measured before a run began."""


class RunDirectory:
    """The directory of one run; `create` starts one, `open` continues one."""

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        *,
        created: bool = False,
        own: EvaluationConfig | None = None,
        overrides: Sequence[str] = (),
    ) -> None:
        """Name it.

        Args:
            path: the directory.
            config: what the run is to do.
            created: whether it was just begun.
            own: the evaluation it was saved with, where `config` asks for another one, kept under other `evaluations`.
            overrides: what `config` has over the saved configuration, to be kept once the run goes on.
        """
        self.path = path
        self.config = config
        self._created = created
        self._overrides = tuple(overrides)
        self.evaluations = path / evaluations_folder(config.evaluation, own or config.evaluation)

    @classmethod
    def create(cls, config: RunConfig) -> RunDirectory:
        """Make the directory and save the resolved configuration, paths absolute; of several processes the main one does it.

        Raises:
            UsageError: a run is already there.
            StoreError: the directory cannot be written.
        """
        return on_main(lambda: cls._create(config))

    @classmethod
    def _create(cls, config: RunConfig) -> RunDirectory:
        path = config.path
        run = cls(path, settled(config))
        run._refuse_taken()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(cannot_write(path / "config.toml", error)) from error
        # Under the lock, so that of two that begin at once one is refused.
        with run._flock("give this run another name: run.name=…"):
            run._refuse_taken()
            atomic_write_text(path / "config.toml", dump_config(run.config))
        run._created = True
        return run

    @classmethod
    def planned(cls, config: RunConfig) -> RunDirectory:
        """What `create` would make, for whoever asks before torch is imported, or writes nothing at all.

        Raises:
            UsageError: a run is already there.
            StoreError: the directory could not be made.
        """
        run = cls(config.path, settled(config))
        run._refuse_taken()
        there = next(part for part in (run.path, *run.path.absolute().parents) if part.exists())
        number = 0 if there.is_dir() else errno.ENOTDIR
        if not number and not os.access(there, os.W_OK | os.X_OK):
            number = errno.EACCES
        if number:
            raise StoreError(cannot_write(run.path / "config.toml", OSError(number, os.strerror(number))))
        return run

    def _refuse_taken(self) -> None:
        if (self.path / "config.toml").exists():
            raise UsageError(
                f"{self.path} already holds a run; continue it with: counterpoise train {self.path}  "
                "or give this one another name: run.name=…"
            )

    @classmethod
    def open(cls, path: Path, overrides: Sequence[str] = ()) -> RunDirectory:
        """Open a run, with overrides that a resumed run may change and that `record` keeps; nothing is written here.

        Of several processes the main one does it.

        Raises:
            UsageError: there is no run, or an override would make it another run.
            ConfigError: its configuration is damaged, or not the one it was trained with.
        """
        return on_main(lambda: cls(Path(path), cls._config(path, overrides), overrides=overrides))

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str] = ()) -> RunDirectory:
        """`open` for a look: evaluations at another sampling than the run's own have a folder of their own.

        Raises:
            UsageError, ConfigError: as `open`.
        """
        own = cls._config(path).evaluation if overrides else None
        return cls(Path(path), cls._config(path, overrides), own=own)

    @classmethod
    def _config(cls, path: Path, overrides: Sequence[str] = ()) -> RunConfig:
        """What is saved, compared with what the run was trained with, and then changed by the overrides."""
        path = Path(path)
        saved = path / "config.toml"
        if not saved.is_file():
            raise UsageError(f"{path} is not a run directory: it has no config.toml")
        copy = newest_kept(path, "config.toml")
        restore = f"; restore it: cp {copy} {saved}" if copy else ""
        before = Identity.read(path / "identity.json") or newest_identity(path)
        if before is not None or (path / "checkpoints").is_dir():
            refuse_damaged(saved, restore)
        own = load_stored(path)
        if before is not None:
            refuse_differing(before, own, where=saved, copy=copy)
        if not overrides:
            return own
        config = settled(load_stored(path, overrides))
        was, now = flat(settled(own)), flat(config)
        for key in PLACE:
            if was[key] != now[key]:
                raise UsageError(
                    f"{key} says where a run begins, and this one goes on where it is, in {path}; rename or move that directory instead"
                )
        for key, _, _ in differing(identity_of(own), config):
            raise UsageError(
                f"{key} cannot change when a run is continued; start a new run with that override instead "
                f"(what may change: {', '.join(name.rstrip('.') for name in RESUMABLE)}, and paths, where a file was moved)"
            )
        names = [checkpoint.name[5:] for checkpoint in path.glob("checkpoints/step-*")]
        done = max((int(name) for name in names if name.isdecimal()), default=0)
        wanted = config.learner.steps
        if wanted < done and wanted != own.learner.steps:
            raise UsageError(
                f"{path} has done {counted(done, 'step')} already, and learner.steps={wanted} asks for fewer; give more than {done} "
                f"to train it further, or begin a run of {counted(wanted, 'step')} under another name"
            )
        return config

    def reread(self) -> None:
        """Take the configuration from the directory again: what was read before the lock was held may have changed since.

        Raises:
            UsageError, ConfigError: as `open`; or a file that the configuration names is gone.
        """
        trusted = self.config.model.trust_remote_code  # typed, and in no file
        self.config = on_main(lambda: self._config(self.path, self._overrides)).changed(
            model={"trust_remote_code": trusted}
        )
        if not self._created:  # what a new run names was never there, and the task or the model has words for it
            self.refuse_missing("train", kinds=("input", "model"))

    def refuse_missing(self, command: str, *, kinds: Sequence[str] = ("input",)) -> None:
        """See that what the configuration names is there, with the code it was begun with; `command` can say where it is now.

        Raises:
            ConfigError: naming the setting, or the part.
        """
        tables = self.config.model_dump(mode="json")
        for place in missing(tables):
            if place.kind in kinds:
                raise ConfigError(
                    f"{place.key}={place.value} does not exist (named by {self.path / 'config.toml'}); if it was moved, say where it is: "
                    f"counterpoise {command} {self.path} {place.key}=…{where_kept(self.path, place.value)}"
                )
        self.refuse_other_code()

    def refuse_other_code(self, config: RunConfig | None = None, *, besides: str = "", also: str = "") -> None:
        """`same_parts` of what is to be done with the run, before anything that comes from elsewhere is imported.

        Raises:
            ConfigError: as `same_parts`; or the code cannot be read.
        """
        if (before := self.identity()) is not None and before.parts:
            sources = sources_in((config or self.config).model_dump(mode="json"))
            same_parts(before.parts, sources, where=self.path, besides=besides, also=also)

    def identity(self, checkpoint: Path | None = None) -> Identity | None:
        """What the run was begun with, as a checkpoint holds it or else the directory; None for a run of an earlier version."""
        beside = None if checkpoint is None else Identity.read(checkpoint / "identity.json")
        own = Identity.read(self.path / "identity.json") or newest_identity(self.path)
        if beside is None or own is None:
            return beside or own
        # A side may have been read for the first time after the checkpoint was made.
        return replace(
            beside,
            problems={**own.problems, **beside.problems},
            base=beside.base or own.base,
            file=beside.file or own.file,
        )

    def compare(self, train: Sequence[Problem], test: Sequence[Problem], checkpoint: Path | None) -> Identity:
        """Compare configuration and problems with what the run was begun with.

        Args:
            train: training problems.
            test: test problems; none where they were not read.
            checkpoint: directory of the weights that it goes on from.

        Returns:
            The identity of the run, with the sides that it did not know before.

        Raises:
            ConfigError: a setting differs that must not.
            DataError: the problems are others.
        """
        sides = {name: side_of(problems) for name, problems in (("train", train), ("test", test)) if problems}
        before, sources = self.identity(checkpoint), sources_in(self.config.model_dump(mode="json"))
        parts = {name: source.sha256 for name, source in sources.items()}
        if before is None:
            return replace(with_file(identity_of(self.config, sides), self.config, where=self.path), parts=parts)
        same_parts(before.parts, sources, where=self.path)
        refuse_differing(
            before, self.config, where=self.path / "config.toml", copy=newest_kept(self.path, "config.toml")
        )
        same_problems(before, sides, where=self.path)
        before = with_file(before, self.config, where=self.path)
        return replace(before, problems={**sides, **before.problems}, parts={**parts, **before.parts})

    def compare_test(self, problems: Sequence[Problem]) -> None:
        """Compare the test problems with those the run was begun with.

        Raises:
            DataError: they are others.
        """
        before = self.identity()
        if before is not None:
            way = "evaluate weights as a model, on whatever task: counterpoise eval RUN/checkpoints/step-…/policy --task …"
            same_problems(before, {"test": side_of(problems)}, where=self.path, also=(way,))

    def record(self, identity: Identity) -> None:
        """Keep configuration and identity; called under the lock, once nothing can be refused any more.

        Raises:
            StoreError: the directory cannot be written.
        """
        for name, text in self.texts(identity).items():
            path = self.path / name
            try:
                same = read_text(path) == text
            except (OSError, ValueError):
                same = False
            if not same:
                atomic_write_text(path, text)
        keep_copies(self.path, self.config.model_dump(mode="json"))

    def texts(self, identity: Identity) -> dict[str, str]:
        """Configuration and identity as they are kept, by file name: in the directory, and in each checkpoint under its hashes."""
        return {"config.toml": dump_config(settled(self.config)), "identity.json": identity.to_text()}

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

    @property
    def base_evidence(self) -> Path:
        """File of the base's right answers to each training problem."""
        return self.path / "base_evidence.jsonl"

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
        fixed and the same command given again.

        Raises:
            UsageError: somebody else is training in this directory.
            StoreError: the lock cannot be written.
        """
        with ExitStack() as held:
            taken = (
                f"look at it with: counterpoise watch {self.path}  and wait until it ends, or stop it (Ctrl-C there saves), "
                "then give the same command again"
            )
            on_main(lambda: held.enter_context(self._flock(taken)))
            yield

    @contextmanager
    def _flock(self, taken: str) -> Iterator[None]:
        """Hold the lock file; `taken` says what to do where somebody else does."""
        with lock_directory(self.path, marker="config.toml", taken=taken):
            try:
                yield
            except UsageError:
                self._withdraw()
                raise

    def _withdraw(self) -> None:
        done = ("metrics.jsonl", "checkpoints", "evaluation", "refused")
        if self._created and not self._noted() and not any((self.path / name).exists() for name in done):
            for name in ("config.toml", ".lock", "anchors.jsonl", "identity.json", "events.jsonl", "tracking_id"):
                (self.path / name).unlink(missing_ok=True)
            with suppress(OSError):  # what else may be there is not ours
                self.path.rmdir()

    def _noted(self) -> bool:
        """Whether there is an event of the run; that its output was lost, and what was measured, is none of what it did."""
        try:
            lines = [found for _, found in json_lines(self.path / "events.jsonl")]
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return any(isinstance(line, JsonFault) or line.get("kind") not in ("output_lost", *MEASURED) for line in lines)
