"""What a run has written, read back without torch: its metrics and a few of its rollouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from counterpoise.errors import StoreError
from counterpoise.files import Damage, Fault, json_lines, read_json_lines

__all__ = ["MetricsFile", "read_metrics", "read_samples"]


class MetricsFile:
    """The metrics of a run, which may be more than fit into memory: opening it finds the steps, iterating reads their records anew.

    A step that comes again (the run was resumed before it) takes back that step and all after it: the weights do not have them.

    Args:
        path: `metrics.jsonl`.
        on_damage: told each line that cannot be read, once.

    Raises:
        StoreError: there is no such file, or it cannot be read.
    """

    def __init__(self, path: Path, *, on_damage: Callable[[Damage], None]) -> None:
        self._path = path
        lines: dict[int, int] = {}
        last = 0
        for number, record in _lines(path):
            if isinstance(record, Fault):
                torn = " (torn by a kill while writing)" if record.torn else ""
                on_damage(Damage(path=path, line=number, reason=f"{record}{torn}"))
                continue
            step = record.get("step")
            if type(step) is not int or step < 1:
                on_damage(Damage(path=path, line=number, reason=f"a line of metrics with step {step!r}"))
                continue
            if step <= last:
                lines = {done: line for done, line in lines.items() if done < step}
            lines[step], last = number, step
        self.steps = tuple(lines)
        """Steps with a record, ascending."""
        self._kept = tuple(lines.values())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The records of `steps`, in order; reads the file as it goes. One that was written anew meanwhile ends early."""
        wanted = iter(zip(self._kept, self.steps, strict=True))
        line, step = next(wanted, (0, 0))
        for number, record in _lines(self._path):
            if number == line:
                if isinstance(record, Fault) or record.get("step") != step:
                    return
                yield record
                line, step = next(wanted, (0, 0))


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | Fault]]:
    try:
        yield from json_lines(path)
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist: the run has not finished its first step") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def read_metrics(path: Path, *, on_damage: Callable[[Damage], None]) -> list[dict[str, Any]]:
    """One record a step, in order; see `MetricsFile`.

    Raises:
        StoreError: there is no such file, or it cannot be read.
    """
    return list(MetricsFile(path, on_damage=on_damage))


def read_samples(path: Path, *, on_damage: Callable[[Damage], None], late: float = 0.0) -> list[dict[str, Any]]:
    """The rollouts of samples.jsonl in order; a run that keeps none, or none yet, has none.

    A step that comes again takes back what was drawn from that step on, as in `MetricsFile`. With `late`, only those from this share of
    the steps on are kept.

    Raises:
        StoreError: the file cannot be read.
    """
    samples: list[dict[str, Any]] = []
    seen: set[tuple[int, str, str]] = set()
    try:
        # What comes last is never taken back.
        last = 0
        for _, line in json_lines(path) if late else ():
            if not isinstance(line, Fault) and type(line.get("step")) is int:
                last = line["step"]
        for record in read_json_lines(path, on_damage=on_damage):
            step = record.get("step")
            if type(step) is not int:
                continue
            if step < late * last:
                # It takes back what was kept, and is itself not kept.
                samples, seen = [], set()
                continue
            # A step has several lines: it comes again with a smaller number, or with a rollout that it has already.
            key = (step, str(record.get("problem_id")), str(record.get("text")))
            if key in seen or (samples and step < samples[-1]["step"]):
                samples = [sample for sample in samples if sample["step"] < step]
                seen = {kept for kept in seen if kept[0] < step}
            seen.add(key)
            samples.append(record)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    return samples
