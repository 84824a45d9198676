"""What a run has written, read back without torch: its metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from counterpoise.errors import StoreError
from counterpoise.files import Damage, read_json_lines

__all__ = ["read_metrics"]


def read_metrics(path: Path, *, on_damage: Callable[[Damage], None]) -> list[dict[str, Any]]:
    """One record a step, in order.

    A step that comes again (the run was resumed before it) takes back that step and all after it: the weights do not have them.

    Raises:
        StoreError: there is no such file, or it cannot be read.
    """
    by_step: dict[int, dict[str, Any]] = {}
    last = skipped = 0

    def note(damage: Damage) -> None:
        nonlocal skipped
        skipped += 1
        on_damage(damage)

    try:
        for number, record in enumerate(read_json_lines(path, on_damage=note), start=1):
            step = record.get("step")
            if type(step) is not int or step < 1:
                # A run writes no blank lines, so objects met and lines skipped add up to the line number.
                on_damage(Damage(path=path, line=number + skipped, reason=f"a line of metrics with step {step!r}"))
                continue
            if step <= last:
                by_step = {done: kept for done, kept in by_step.items() if done < step}
            by_step[step], last = record, step
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist: the run has not finished its first step") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    return [by_step[step] for step in sorted(by_step)]
