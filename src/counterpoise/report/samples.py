"""Rollouts of a run to leaf through: from its samples.jsonl with token probabilities, then from its evaluation's store without."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from counterpoise.errors import CounterpoiseError
from counterpoise.evaluation.store.rollouts import RolloutStore, StoredRollout
from counterpoise.files import Damage
from counterpoise.report.records import Run, ShownRollout, ShownRollouts
from counterpoise.runs.records import read_samples
from counterpoise.text import counted
from counterpoise.types import StopReason, Verdict, VerdictValue

__all__ = ["COUNT", "KINDS", "find_rollouts", "kinds_of"]

KINDS = ("right", "wrong", "no answer", "cut off")
"""What rollouts are chosen and filtered by; one that was cut off is also of another kind."""
COUNT = 12
"""Rollouts of each kind and each source that a page holds at most, however many there are."""
_MOST_KEPT = 8
"""Times as many problems of a kind as are shown whose text is held at most while a store is read."""
_LATE = 0.75
"""Rollouts from this share of the sampled steps on are looked at: the first ones are the base's."""


def find_rollouts(run: Run, *, count: int = COUNT) -> ShownRollouts | None:
    """Up to `count` rollouts of each kind, each of another problem: training's, then the compared evaluation's; None where there are none.

    Held in memory are training's late samples and, of an evaluation, one rollout for each kind and problem, whatever n is.
    """
    found, said = [], []
    path = run.path / "samples.jsonl"
    if run.kind == "run" and path.is_file():
        rollouts, note = _from_samples(path, count)
        found += rollouts
        said += [note] if rollouts else []
    directory = run.contender.path if run.contender else None
    if directory is not None and run.result is not None and (directory / "rollouts.jsonl").is_file():
        stored = _from_store(directory, run, count)
        if stored:
            why = "" if found or run.kind == "evaluation" else "; the run has no samples.jsonl, which has both"
            said.append(f"The evaluation's rollouts have no token's probability and no credit, so no colours{why}.")
        found += stored
    return ShownRollouts(rollouts=tuple(found), note=" ".join(said)) if found else None


def _from_samples(path: Path, count: int) -> tuple[list[ShownRollout], str]:
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
    said = [f"From {path.name}, written while the run trained, {steps}; the surest of each kind, one a problem."]
    if broken:
        said.append(f"{counted(broken, 'line')} of these steps {'holds' if broken == 1 else 'hold'} no rollout.")
    if damages:
        said.append(f"{counted(len(damages), 'line')} could not be read, the first: {damages[0]}.")
    by_kind = [[sample for sample in late if kind in kinds_of(sample)] for kind in KINDS]
    chosen = [_first_of_each_problem(samples, _extreme, count) for samples in by_kind]
    return _in_turn(chosen), " ".join(said)


def kinds_of(sample: ShownRollout) -> Iterator[str]:
    """The kinds of `KINDS` that it is of; none for an unscored one."""
    if sample.verdict == VerdictValue.CORRECT.value:
        yield "right"
    elif sample.verdict == VerdictValue.NO_ANSWER.value:
        yield "no answer"
    elif sample.verdict in (VerdictValue.WRONG.value, VerdictValue.ABSTAINED.value):
        yield "wrong"
    if sample.cut_off and sample.verdict != VerdictValue.UNSCORED.value:
        yield "cut off"


def _extreme(sample: ShownRollout) -> tuple[float, float]:
    """The highest reward first of right ones, the lowest of the others, then the most probable."""
    reward = _or(sample.reward, 0.0)
    return (
        reward if sample.verdict == VerdictValue.CORRECT.value else -reward,
        _or(sample.mean_log_prob, -math.inf),
    )


def _first_of_each_problem(
    samples: Iterable[ShownRollout], key: Callable[[ShownRollout], tuple[float, float]], count: int
) -> list[ShownRollout]:
    taken: dict[str, ShownRollout] = {}
    for sample in sorted(samples, key=key, reverse=True):
        taken.setdefault(sample.problem_id, sample)
    return list(taken.values())[:count]


def _in_turn(by_kind: Sequence[Sequence[ShownRollout]]) -> list[ShownRollout]:
    """One of each kind in turn, each once."""
    turns = [sample for turn in zip_longest(*by_kind) for sample in turn if sample is not None]
    return list({id(sample): sample for sample in turns}.values())


def _from_store(directory: Path, run: Run, count: int) -> list[ShownRollout]:
    assert run.result is not None
    graders = dict(run.result.verifiers)
    try:
        store = RolloutStore(directory)
        bits = _verdict_bits(store, graders)
        kept: dict[str, dict[str, StoredRollout]] = {kind: {} for kind in KINDS}
        for rollout in store.rollouts():
            for kind in KINDS:
                if bits[kind].get(rollout.problem_id, 0) >> rollout.sample & 1 and (
                    kind != "cut off" or rollout.stop_reason is StopReason.LENGTH
                ):
                    held = kept[kind].get(rollout.problem_id)
                    if held is None or _surest(rollout) > _surest(held):
                        kept[kind][rollout.problem_id] = rollout
                    if len(kept[kind]) > _MOST_KEPT * count:
                        kept[kind] = _surest_problems(kept[kind], count)
        chosen = [heapq.nlargest(count, kept[kind].values(), key=_surest) for kind in KINDS]
        verdicts = _verdicts(store, graders, {(r.problem_id, r.sample) for rollouts in chosen for r in rollouts})
    except CounterpoiseError:
        return []  # the evaluation's own notes name what is wrong with it
    shown = {
        place: _stored(rollout, verdicts[place], run.step)
        for rollouts in chosen
        for rollout in rollouts
        if (place := (rollout.problem_id, rollout.sample)) in verdicts
    }
    return _in_turn(
        [[shown[r.problem_id, r.sample] for r in rollouts if (r.problem_id, r.sample) in shown] for rollouts in chosen]
    )


def _verdict_bits(store: RolloutStore, graders: Mapping[str, str]) -> Mapping[str, dict[str, int]]:
    """Which draws of each problem have a verdict of each kind, a bit each; those that may be cut off are all that are scored."""
    bits: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for grader in graders.items():
        for line in store.verdicts(*grader):
            verdict = line.verdict
            if verdict.scored:
                kind = (
                    "right" if verdict.correct else "no answer" if verdict.value is VerdictValue.NO_ANSWER else "wrong"
                )
                for name in (kind, "cut off"):
                    bits[name][line.problem_id] = bits[name].get(line.problem_id, 0) | 1 << line.sample
    return bits


def _verdicts(
    store: RolloutStore, graders: Mapping[str, str], wanted: set[tuple[str, int]]
) -> dict[tuple[str, int], Verdict]:
    found: dict[tuple[str, int], Verdict] = {}
    for line in chain.from_iterable(store.verdicts(*grader) for grader in graders.items()):
        if (line.problem_id, line.sample) in wanted:
            found[line.problem_id, line.sample] = line.verdict
            if len(found) == len(wanted):
                break  # a draw has one verdict
    return found


def _surest_problems(kept: Mapping[str, StoredRollout], count: int) -> dict[str, StoredRollout]:
    """Those of the `count` surest, in the order they were met: one that is dropped can come back with a surer response."""
    chosen = set(heapq.nlargest(count, kept, key=lambda name: _surest(kept[name])))
    return {name: rollout for name, rollout in kept.items() if name in chosen}


def _surest(rollout: StoredRollout) -> float:
    return _or(rollout.mean_log_prob, -math.inf)


def _stored(rollout: StoredRollout, verdict: Verdict, step: int | None) -> ShownRollout:
    return ShownRollout(
        step=step,
        evaluated=True,
        problem_id=rollout.problem_id,
        question=None,
        gold=None,
        solution=None,
        text=rollout.text,
        tokens=(),
        log_probs=(),
        credit=(),
        mean_log_prob=rollout.mean_log_prob,
        reward=None,
        verdict=verdict.value.value,
        answer=verdict.answer,
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
        evaluated=False,
        problem_id=str(record["problem_id"]),
        question=_text(record.get("question")),
        gold=_text(record.get("gold")),
        solution=_text(record.get("solution")),
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


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else value


def _text(value: object) -> str | None:
    return None if value is None else str(value)
