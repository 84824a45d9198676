"""Read back what a run has written, without torch: its metrics and a few of its rollouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from counterpoise.errors import StoreError
from counterpoise.files import Damage, JsonFault, json_lines, numbered_json_lines, read_json_lines

__all__ = ["metrics_lines", "read_metrics", "read_samples"]


def read_metrics(path: Path, *, on_damage: Callable[[Damage], None]) -> list[dict[str, Any]]:
    """One record a step, in order.

    A step that comes again (the run was resumed before it) takes back that step and all after it: the weights do not have them.

    Raises:
        StoreError: there is no such file, or it cannot be read.
    """
    by_step: dict[int, dict[str, Any]] = {}
    last = 0
    for step, record in metrics_lines(path, on_damage=on_damage):
        if step <= last:
            by_step = {done: kept for done, kept in by_step.items() if done < step}
        by_step[step], last = record, step
    return list(by_step.values())


def metrics_lines(path: Path, *, on_damage: Callable[[Damage], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines as they were written, each with its step; a step may come again.

    Raises:
        StoreError: there is no such file, or it cannot be read.
    """
    try:
        for number, record in numbered_json_lines(path, on_damage=on_damage):
            step = record.get("step")
            if type(step) is int and 0 < step < 2**53:
                yield step, record
            else:
                on_damage(Damage(path=path, line=number, reason=f"a line of metrics with step {step!r}"))
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist: the run has not finished its first step") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def read_samples(path: Path, *, on_damage: Callable[[Damage], None], late: float = 0.0) -> list[dict[str, Any]]:
    """The rollouts of samples.jsonl in order; a run that keeps none, or none yet, has none.

    A step that comes again takes back what was drawn from that step on, as in `read_metrics`. With `late`, only those from this share of
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
            if not isinstance(line, JsonFault) and type(line.get("step")) is int:
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
