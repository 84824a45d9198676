"""Best and worst rollouts of a run: from its samples.jsonl with token probabilities, or else from an evaluation's store without."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoise.errors import CounterpoiseError
from counterpoise.evaluation.store import RolloutStore, StoredRollout
from counterpoise.files import Damage
from counterpoise.report.records import Run, ShownRollout, ShownRollouts
from counterpoise.runs.records import read_samples
from counterpoise.text import counted
from counterpoise.types import VerdictValue

__all__ = ["best_and_worst"]

_LATE = 0.75
"""Rollouts from this share of the sampled steps on are looked at: the first ones are the base's."""


def best_and_worst(run: Run, *, count: int = 3) -> ShownRollouts | None:
    """The best and the worst rollouts, each of another problem; None where the run has none at all."""
    path = run.path / "samples.jsonl"
    if run.kind == "run" and path.is_file():
        found = _from_samples(path, count)
        if found.best or found.worst:
            return found
    directory = run.contender.path if run.contender else None
    if directory is None or run.result is None or not (directory / "rollouts.jsonl").is_file():
        return None
    return _from_store(directory, run, count)


def _from_samples(path: Path, count: int) -> ShownRollouts:
    damages: list[Damage] = []
    records = read_samples(path, on_damage=damages.append, late=_LATE)
    last = max((record["step"] for record in records), default=0)
    late, broken = [], 0
    for record in records:
        try:
            late.append(_sample(record))
        except (KeyError, TypeError, ValueError, OverflowError):
            broken += 1
    first = min((sample.step for sample in late if sample.step is not None), default=last)
    steps = f"step {last}" if first == last else f"steps {first} to {last}"
    said = [f"From {path.name}, written while the run trained, {steps}; one rollout a problem."]
    if broken:
        said.append(f"{counted(broken, 'line')} of these steps {'holds' if broken == 1 else 'hold'} no rollout.")
    if damages:
        said.append(f"{counted(len(damages), 'line')} could not be read, the first: {damages[0]}.")
    return _chosen(late, count, " ".join(said))


def _from_store(directory: Path, run: Run, count: int) -> ShownRollouts | None:
    assert run.result is not None
    graders = dict(run.result.verifiers)
    try:
        store = RolloutStore(directory)
        right, wrong = _verdict_bits(store, graders)
        best: dict[str, StoredRollout] = {}
        worst: dict[str, StoredRollout] = {}
        for rollout in store.rollouts():
            for bits, kept in ((right, best), (wrong, worst)):
                if bits.get(rollout.problem_id, 0) >> rollout.sample & 1:
                    held = kept.get(rollout.problem_id)
                    if held is None or _surest(rollout) > _surest(held):
                        kept[rollout.problem_id] = rollout
        shown = [heapq.nlargest(count, kept.values(), key=_surest) for kept in (best, worst)]
        answers = _answers(store, graders, {(r.problem_id, r.sample) for chosen in shown for r in chosen})
    except CounterpoiseError:
        return None  # the evaluation's own notes name what is wrong with it
    good, bad = (
        tuple(_stored(rollout, answers, verdict, run.step) for rollout in chosen)
        for chosen, verdict in zip(shown, ("correct", "wrong"), strict=True)
    )
    note = (
        "From the evaluation's rollouts, which keep one mean log-probability each and no token's, so tokens have no colours here: "
        + ("the run has no samples.jsonl." if run.kind == "run" else "an evaluation gives no credit.")
    )
    return ShownRollouts(best=good, worst=bad, note=note)


def _verdict_bits(store: RolloutStore, graders: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    right: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for grader in graders.items():
        for line in store.verdicts(*grader):
            if line.verdict.scored:
                bits = right if line.verdict.correct else wrong
                bits[line.problem_id] = bits.get(line.problem_id, 0) | 1 << line.sample
    return right, wrong


def _answers(
    store: RolloutStore, graders: Mapping[str, str], wanted: set[tuple[str, int]]
) -> dict[tuple[str, int], str | None]:
    return {
        (line.problem_id, line.sample): line.verdict.answer
        for grader in graders.items()
        for line in store.verdicts(*grader)
        if (line.problem_id, line.sample) in wanted
    }


def _surest(rollout: StoredRollout) -> float:
    return _or(rollout.mean_log_prob, -math.inf)


def _stored(
    rollout: StoredRollout, answers: Mapping[tuple[str, int], str | None], verdict: str, step: int | None
) -> ShownRollout:
    return ShownRollout(
        step=step,
        problem_id=rollout.problem_id,
        question=None,
        gold=None,
        text=rollout.text,
        tokens=(),
        log_probs=(),
        credit=(),
        mean_log_prob=rollout.mean_log_prob,
        reward=None,
        verdict=verdict,
        answer=answers.get((rollout.problem_id, rollout.sample)),
        stop_reason=str(rollout.stop_reason or ""),
    )


def _sample(record: Mapping[str, Any]) -> ShownRollout:
    tokens = tuple(map(str, record["tokens"]))
    log_probs = tuple(map(float, record["log_probs"]))
    if len(tokens) != len(log_probs):
        raise ValueError(f"{len(tokens)} tokens and {len(log_probs)} log-probabilities")
    plus, minus = (_per_token(record[sign], len(tokens)) for sign in ("plus", "minus"))
    if any(map(math.isnan, (*log_probs, *plus, *minus))):
        raise ValueError("a log-probability or a credit is not a number")
    reward = record["reward"]
    return ShownRollout(
        step=record["step"],
        problem_id=str(record["problem_id"]),
        question=_text(record.get("question")),
        gold=_text(record.get("gold")),
        text=str(record["text"]),
        tokens=tokens,
        log_probs=log_probs,
        credit=tuple(up - down for up, down in zip(plus, minus, strict=True)),
        mean_log_prob=math.fsum(log_probs) / len(log_probs) if log_probs else None,
        reward=None if reward is None else float(reward),
        verdict=str(record["verdict"]),
        answer=_text(record.get("answer")),
        stop_reason=str(record["stop_reason"]),
    )


def _per_token(credit: object, tokens: int) -> Sequence[float]:
    if isinstance(credit, list):
        values = [float(value) for value in credit]
        if len(values) != tokens:
            raise ValueError(f"{len(values)} credits for {tokens} tokens")
        return values
    if isinstance(credit, bool) or not isinstance(credit, int | float):
        raise TypeError(f"credit {credit!r}")
    return [float(credit)] * tokens


def _chosen(samples: Iterable[ShownRollout], count: int, note: str) -> ShownRollouts:
    pool = list(samples)
    right = [sample for sample in pool if sample.verdict == VerdictValue.CORRECT.value]
    values = (VerdictValue.WRONG.value, VerdictValue.NO_ANSWER.value, VerdictValue.ABSTAINED.value)
    wrong = [sample for sample in pool if sample.verdict in values]
    return ShownRollouts(
        best=_first_of_each_problem(right, lambda s: (_or(s.reward, 0.0), _or(s.mean_log_prob, -math.inf)), count),
        worst=_first_of_each_problem(wrong, lambda s: (-_or(s.reward, 0.0), _or(s.mean_log_prob, -math.inf)), count),
        note=note,
    )


def _first_of_each_problem(
    samples: Iterable[ShownRollout], key: Callable[[ShownRollout], tuple[float, float]], count: int
) -> tuple[ShownRollout, ...]:
    taken: dict[str, ShownRollout] = {}
    for sample in sorted(samples, key=key, reverse=True):
        taken.setdefault(sample.problem_id, sample)
    return tuple(list(taken.values())[:count])


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else value


def _text(value: object) -> str | None:
    return None if value is None else str(value)
