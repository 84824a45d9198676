"""The end of every evaluation command: the folder that results go to, and the tables shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.cli import console
from counterpoise.plugins import portable

if TYPE_CHECKING:
    from counterpoise.config import RunConfig
    from counterpoise.evaluation.summary import EvaluationResult

__all__ = ["evaluation_folder", "result_json", "sampling_of", "sections_of", "show_result"]


def sections_of(given: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """`{"run.seed": 1}` as the sections of a run file."""
    sections: dict[str, dict[str, object]] = {}
    for name, value in given.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    return sections


def evaluation_folder(model: str, config: RunConfig, *, kind: str = "eval", own: RunConfig | None = None) -> Path:
    """`runs/KIND-MODEL-TASK`; with the sampling in its name where that one was drawn at another.

    Before the first evaluation the sampling of `own` gets the plain name (in a sweep, the setting that is not varied); without `own`,
    that of `config`.
    """
    from counterpoise.files import read_json
    from counterpoise.runs.sampling import sampling_name

    # A task may be an import path, whose slashes are not folders.
    task = re.sub(r"[^\w.]+", "-", portable(config.tasks.name))
    plain = Path("runs") / f"{kind}-{re.sub(r'[^A-Za-z0-9.]+', '-', model)}-{task}"
    asked, drawn = sampling_of(config), sampling_of(own or config)
    try:
        there = read_json(plain / "manifest.json")["settings"]
        drawn = {name: there[name] for name in asked}
    # Nothing, or nothing that can be read: the store will say what.
    except (OSError, ValueError, LookupError, TypeError):
        pass
    if drawn == asked:
        return plain
    if drawn["max_tokens"] == asked["max_tokens"]:
        del asked["max_tokens"]
    return plain.with_name(f"{plain.name}-{sampling_name(asked)}")


def sampling_of(config: RunConfig) -> dict[str, float]:
    """What decides how responses are drawn: temperature, top_p, top_k and max_tokens."""
    wanted = config.evaluation
    return {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "top_k": wanted.top_k,
        "max_tokens": wanted.max_tokens or config.rollout.max_tokens,
    }


def result_json(result: EvaluationResult, directory: Path) -> dict[str, Any]:
    """What `--json` says of an evaluation: its sampling, pass@k and other estimators with intervals, rates; shares in [0, 1]."""
    from dataclasses import asdict

    return {
        "directory": str(directory),
        "sampling": {
            name: getattr(result.manifest.settings, name) for name in ("temperature", "top_p", "top_k", "max_tokens")
        },
        "problems": len(result.counts),
        "n": result.n,
        "confidence": result.confidence,
        "rollouts": result.rollouts,
        "unscored": result.unscored,
        "mean_tokens": result.mean_tokens,
        "truncation_rate": result.truncation_rate,
        "no_answer_rate": result.no_answer_rate,
        "pass_at_k": [asdict(point) for point in result.curve],
        "estimates": [asdict(row) for row in result.estimates],
    }


def show_result(
    result: EvaluationResult, directory: Path, label: str, metrics: Sequence[str], *, as_json: bool = False
) -> None:
    """The table of pass@k, those of other estimators that were asked for, and what is to be known of the responses; or it as JSON."""
    if as_json:
        console.print_json({"name": label, **result_json(result, directory)})
        return
    from counterpoise.cli.views.passk import estimates_table, passk_table
    from counterpoise.evaluation.endings import unread_endings
    from counterpoise.evaluation.result_lines import result_lines
    from counterpoise.evaluation.store.rollouts import RolloutStore

    console.stdout.print(passk_table(result.curve, confidence=result.confidence, title=f"pass@k of {label}"))
    if metrics:
        console.stdout.print(estimates_table(result.estimates, metrics, confidence=result.confidence))
    for line in (*result_lines(result), *unread_endings(RolloutStore(directory), result).lines()):
        console.note(line)
    console.stdout.print(f"rollouts, verdicts and passk.json: {directory}", soft_wrap=True)
