"""The end of every evaluation command: the folder that results go to, and the tables shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise.cli import console

if TYPE_CHECKING:
    from counterpoise.config import RunConfig
    from counterpoise.evaluation.summary import EvaluationResult

__all__ = ["evaluation_folder", "sections_of", "show_result"]


def sections_of(given: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """`{"run.seed": 1}` as the sections of a run file."""
    sections: dict[str, dict[str, object]] = {}
    for name, value in given.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    return sections


def evaluation_folder(model: str, config: RunConfig, *, kind: str = "eval") -> Path:
    """`runs/KIND-MODEL-TASK`; with the sampling in its name where that one was drawn at another."""
    from counterpoise.files import read_json
    from counterpoise.runs.sampling import sampling_name

    plain = Path("runs") / f"{kind}-{re.sub(r'[^A-Za-z0-9.]+', '-', model)}-{config.tasks.name}"
    wanted = config.evaluation
    asked = {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "top_k": wanted.top_k,
        "max_tokens": wanted.max_tokens or config.rollout.max_tokens,
    }
    try:
        there = read_json(plain / "manifest.json")["settings"]
        drawn = {name: there[name] for name in asked}
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
    ):  # nothing, or nothing that can be read: the store will say what
        return plain
    if drawn == asked:
        return plain
    if drawn["max_tokens"] == asked["max_tokens"]:
        del asked["max_tokens"]
    return plain.with_name(f"{plain.name}-{sampling_name(asked)}")


def show_result(result: EvaluationResult, directory: Path, label: str, metrics: Sequence[str]) -> None:
    """The table of pass@k, those of other estimators that were asked for, and what is to be known of the responses."""
    from counterpoise.cli.views.passk import estimates_table, passk_table
    from counterpoise.evaluation.endings import unread_endings
    from counterpoise.evaluation.result_lines import result_lines
    from counterpoise.evaluation.store import RolloutStore

    console.stdout.print(passk_table(result.curve, confidence=result.confidence, title=f"pass@k of {label}"))
    if metrics:
        console.stdout.print(estimates_table(result.estimates, metrics, confidence=result.confidence))
    for line in (*result_lines(result), *unread_endings(RolloutStore(directory), result).lines()):
        console.note(line)
    console.stdout.print(f"rollouts, verdicts and passk.json: {directory}", soft_wrap=True)
