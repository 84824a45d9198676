"""Metrics that other trainers wrote, under our names: TRL's trainer_state.json, and the lines of verl's logger `file`.

A column that means what one of ours means has its name (`credit/X`, which our adapters log, is X); the others keep theirs with dots for
slashes, since a slash parts a column from its task type here. No torch, and nothing is executed: TRL's training_args.bin is not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from counterpoise.errors import StoreError
from counterpoise.files import Damage, JsonFault, json_lines, numbered_json_lines, parse_json, read_text, why
from counterpoise.runs.engine_checkpoints import TRAINER_STATE, trl_fault, trl_states

__all__ = ["EARLIER_LOG", "EngineLog", "engine_lines", "find_engine_log"]

EARLIER_LOG: Final = "metrics-until-"
"""What the log of a launched verl run is called, with the step that the run goes on from, once it is put away: verl begins its log anew."""
_CREDIT: Final = "credit/"
_LAUNCHED: Final = "launch.toml"

_TRL: Final[Mapping[str, str]] = {
    "reward": "reward",
    "entropy": "entropy",
    "loss": "loss",
    "grad_norm": "gradient_norm",
    "learning_rate": "learning_rate",
    "kl": "kl_reference",
    "completions/mean_length": "response_tokens",
    "completions/clipped_ratio": "truncated_share",
    "step_time": "seconds",
    "epoch": "epochs",
}
_VERL: Final[Mapping[str, str]] = {
    "critic/score/mean": "reward",
    "actor/entropy": "entropy",
    "actor/pg_loss": "loss",
    "actor/grad_norm": "gradient_norm",
    "actor/lr": "learning_rate",
    "actor/kl_loss": "kl_reference",
    "response_length/mean": "response_tokens",
    "response_length/clip_ratio": "truncated_share",
    "timing_s/step": "seconds",
    "timing_s/gen": "seconds_sample",
    "timing_s/reward": "seconds_verify",
    "timing_s/update_actor": "seconds_update",
    "perf/max_memory_allocated_gb": "peak_memory_gib",
}
"""verl's GB are of 2^30 bytes. Its clip shares and its `ppo_kl` are other estimates than ours, and keep their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLog:
    """Where another trainer's metrics are."""

    engine: Literal["TRL", "verl"]
    """Who wrote them."""
    path: Path
    """The file."""
    name: str
    """What the run is called: the directory of TRL's checkpoints, the stem of verl's file."""
    run_file: Path | None = None
    """The run file that `counterpoise launch` made it of."""
    earlier: tuple[Path, ...] = ()
    """Logs of verl from before the run went on, in order; a step that was done again counts as it was done last."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is read, in order."""
        return (*self.earlier, self.path)


def find_engine_log(path: Path) -> EngineLog | None:
    """What is there: trainer_state.json, a directory that holds it or TRL's checkpoints, or lines of verl (also as metrics.jsonl).

    Of checkpoints the newest whole one is read: each holds the history up to its step. Of a launched verl run all logs are.
    """
    if path.name == TRAINER_STATE and path.is_file():
        return _of_trl(path)
    if path.is_dir():
        if (path / TRAINER_STATE).is_file():
            return _of_trl(path / TRAINER_STATE)
        states = list(trl_states(path))
        if states:  # where none is whole the newest one says what is wrong with it
            return _of_trl(next((state for state in states if trl_fault(state.parent) is None), states[0]))
        return _of_verl_run(path)
    return EngineLog(engine="verl", path=path, name=path.stem) if _is_verl(path) else None


def engine_lines(log: EngineLog, *, on_damage: Callable[[Damage], None]) -> Iterator[tuple[int, dict[str, float]]]:
    """(step, its columns under our names) as they were done; TRL's lines of one step (training, evaluation) are one.

    A step of verl's that comes again (the run went on before it) takes back that step and all after it.

    Raises:
        StoreError: a file cannot be read, or is not a log of this trainer.
    """
    for path in log.files:
        try:
            yield from _trl_lines(path, on_damage) if log.engine == "TRL" else _verl_lines(path, on_damage)
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _of_trl(path: Path) -> EngineLog:
    directory = path.resolve().parent
    inside = re.fullmatch(r"checkpoint-\d+", directory.name) is not None
    run = directory.parent if inside else directory
    return EngineLog(engine="TRL", path=path, name=run.name, run_file=_run_file(run))


def _of_verl_run(directory: Path) -> EngineLog | None:
    """The logs of a launched run; the newest one is empty, or not there, until the first step after it went on."""
    parts = (
        (int(found[1]), int(found[2] or 1), part)
        for part in directory.glob(f"{EARLIER_LOG}*.jsonl")
        if (found := re.fullmatch(rf"{EARLIER_LOG}([0-9]{{1,15}})(?:-([0-9]{{1,15}}))?\.jsonl", part.name))
    )
    logs = [log for log in [*(part for _, _, part in sorted(parts)), directory / "metrics.jsonl"] if _is_verl(log)]
    if not logs:
        return None
    return EngineLog(
        engine="verl",
        path=logs[-1],
        name=directory.resolve().name,
        run_file=_run_file(directory),
        earlier=tuple(logs[:-1]),
    )


def _run_file(directory: Path) -> Path | None:
    path = directory / _LAUNCHED
    return path if path.is_file() else None


def _is_verl(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        # The first lines may be torn or foreign; a run of ours has no `data`.
        firsts = [line for _, line in islice(json_lines(path), 3) if not isinstance(line, JsonFault)]
    except OSError:
        return False
    return any(_step(line) is not None and isinstance(line.get("data"), dict) for line in firsts)


def _trl_lines(path: Path, on_damage: Callable[[Damage], None]) -> Iterator[tuple[int, dict[str, float]]]:
    try:
        state = parse_json(read_text(path))  # a step without a value is NaN there
    except JsonFault as error:
        raise StoreError(f"{path} is not the state of a trainer: {why(error)}; give another checkpoint") from error
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise StoreError(f"{path} is not the state of a trainer: it has no log_history; give another checkpoint")
    by_step: dict[int, dict[str, float]] = {}
    for place, record in enumerate(history, start=1):
        step = _step(record)
        if step is None:
            on_damage(Damage(path=path, line=place, reason="an entry of log_history without a step"))
        elif step > 0:
            by_step.setdefault(step, {}).update(_renamed(record, _TRL))
    yield from sorted(by_step.items())


def _verl_lines(path: Path, on_damage: Callable[[Damage], None]) -> Iterator[tuple[int, dict[str, float]]]:
    for number, record in numbered_json_lines(path, on_damage=on_damage):
        step, data = _step(record), record.get("data")
        if step is None or not isinstance(data, dict):
            on_damage(Damage(path=path, line=number, reason="not a line of verl's: it needs a step and data"))
        elif step > 0 and not (data and all(name.startswith("val") for name in data)):
            # What is left out is the evaluation before training begins, or goes on: the step it stands at was done before it.
            yield step, _renamed(data, _VERL)


def _step(record: object) -> int | None:
    step = record.get("step") if isinstance(record, dict) else None
    return step if type(step) is int and 0 <= step < 2**53 else None


def _renamed(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, float]:
    found = {}
    for key, value in record.items():
        if key != "step" and type(value) in (int, float) and math.isfinite(value):
            ours = key.removeprefix(_CREDIT) if key.startswith(_CREDIT) else names.get(key)
            # What our adapter logged wins: it says what the rule saw.
            if ours is None:
                found[key.replace("/", ".")] = float(value)
            elif key.startswith(_CREDIT) or f"{_CREDIT}{ours}" not in record:
                found[ours] = float(value)
    return found
