"""Grading stored rollouts again, with the task's verifier or another one; nothing is sampled and no earlier verdict is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from counterpoise.build.judge import judge_of
from counterpoise.build.problems import check_verifiers, task_and_template
from counterpoise.config import RunConfig
from counterpoise.errors import DataError, StoreError
from counterpoise.evaluation.agreement import Agreement, Grader, agreement
from counterpoise.evaluation.run import Progress, grade
from counterpoise.evaluation.store.checked import checked
from counterpoise.evaluation.store.golds import KeptProblem, kept_problems
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.evaluation.summary import EvaluationResult, summarise
from counterpoise.files import JsonFault, atomic_write_text, parse_json, read_text, why
from counterpoise.plugins import known_as
from counterpoise.types import Problem
from counterpoise.verifiers.equivalence import equivalent_answers

__all__ = ["Regraded", "regrade"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regraded:
    """What grading again led to."""

    result: EvaluationResult
    """The new `passk.json`."""
    agreement: Agreement | None
    """Against the verdicts of the result before; None when there was none, or when the same verifiers made it."""
    before: Mapping[str, str]
    """Verifiers of the result before, by name, with their version."""
    kept: Path | None
    """Where the result before is now; None when the same verifiers made it or there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    """The parts of an earlier `passk.json` that grading needs."""

    text: str
    verifiers: Mapping[str, str]
    n: int
    ks: tuple[int, ...]
    confidence: float


def regrade(
    directory: Path,
    config: RunConfig,
    *,
    verifier: str | None = None,
    settings: Mapping[str, Any] | None = None,
    n: int | None = None,
    ks: Sequence[int] | Literal["all"] | None = None,
    examples: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None],
) -> Regraded:
    """Grade what a store holds and write its `passk.json` anew.

    The verdicts of each verifier version stand in a file of their own, so only draws without a verdict of that version are judged. A
    result that other verifiers made moves to `passk-<verifier>-<version>.json` and `problems-<verifier>-<version>.jsonl`.

    Args:
        directory: an evaluation.
        config: its task and how to verify.
        verifier: judges all problems in the place of their own verifier.
        settings: settings of that verifier; without one, of the task's only verifier.
        n: first draws of each problem that count; all by default.
        ks: numbers of tries, or `all` up to n; those of the result before when it has the same n, else powers of two up to n.
        examples: changed rollouts to return at most.
        on_progress: called with (graded, of all).
        say: called with each damaged line.

    Raises:
        DataError: nothing is stored, or the task has not the stored problems.
        UnknownNameError, ConfigError: no such verifier or setting.
        StoreError: a file cannot be read or written, or every rollout is unscored.
    """
    store = RolloutStore(directory)
    drawn = store.drawn()
    if not drawn:
        raise DataError(
            f"{directory} holds no rollouts, so there is nothing to grade; draw some with counterpoise eval"
        )
    own = _problems(config, drawn, directory)
    verifier = None if verifier is None else known_as(verifier)
    problems = [replace(problem, verifier=verifier) for problem in own] if verifier else own
    verification = config.verification
    name = verifier or problems[0].verifier
    given = {**verification.settings, **({name: settings} if settings else {})}
    check_verifiers(problems, given)
    n = max(drawn.values()) if n is None else n
    earlier = _earlier(directory, say)

    def told(progress: Progress) -> None:
        if on_progress is not None:
            on_progress(progress.done, progress.total)

    with judge_of(verification, given) as judge:
        graders = grade(store=store, problems=problems, verify=judge.verify, n=n, on_progress=told)
        if ks == "all":
            ks = range(1, n + 1)
        elif ks is None and earlier is not None and earlier.n == n:
            ks = earlier.ks
        confidence = 0.95 if earlier is None else earlier.confidence
        equivalent = partial(equivalent_answers, judge)
        result = summarise(store, problems, n=n, graders=graders, equivalent=equivalent, ks=ks, confidence=confidence)
    kept, compared = None, None
    if earlier is not None and dict(earlier.verifiers) != dict(result.verifiers):
        before = {problem.problem_id: grader for problem in own for grader in _graders(problem, earlier.verifiers)}
        after = {problem.problem_id: graders[problem.verifier] for problem in problems if problem.verifier in graders}
        compared = agreement(store, before, after, n=n, examples=examples)
        kept = _keep(store, earlier)
    result.save(directory)
    for damage in store.damages:
        say(str(damage))
    return Regraded(result=result, agreement=compared, before={} if earlier is None else earlier.verifiers, kept=kept)


def _problems(config: RunConfig, drawn: Mapping[str, int], directory: Path) -> list[Problem]:
    kept = kept_problems(directory)
    if kept:
        return _imported(kept, drawn, directory)
    task, _ = task_and_template(config)
    problems = [problem for problem in task.problems("test") if problem.problem_id in drawn]
    if len(problems) < len(drawn):
        raise DataError(
            f"{len(drawn) - len(problems)} of the {len(drawn)} problems in {directory} are not in the test split of "
            f"{config.tasks.name} as it is set now; give the settings and files the evaluation had, e.g. "
            "tasks.settings.count=4 or tasks.test=test.jsonl"
        )
    return sorted(problems, key=lambda problem: problem.problem_id)


def _imported(kept: Mapping[str, KeptProblem], drawn: Mapping[str, int], directory: Path) -> list[Problem]:
    """The problems that came with imported rollouts."""
    lacking = [name for name in drawn if name not in kept or kept[name].gold is None]
    if lacking:
        raise DataError(
            f"{len(lacking)} of the {len(drawn)} problems in {directory} came without a gold, so no verifier can judge them; import the "
            "same files again into another evaluation with --gold-column COLUMN, --gold FILE or --task TASK"
        )
    return [kept[name].problem() for name in sorted(drawn)]


def _graders(problem: Problem, verifiers: Mapping[str, str]) -> list[Grader]:
    """Who of `verifiers` judged the problem: its own verifier, or the one that was put in the place of all."""
    if problem.verifier in verifiers:
        return [(problem.verifier, verifiers[problem.verifier])]
    return list(verifiers.items()) if len(verifiers) == 1 else []


def _earlier(directory: Path, say: Callable[[str], None]) -> _Earlier | None:
    path = directory / "passk.json"
    try:
        text = read_text(path)
        fields = parse_json(text, finite=True)
        earlier = _Earlier(
            text=text,
            verifiers=dict(fields["verifiers"]),
            n=fields["n"],
            ks=tuple(row["k"] for row in fields["curve"]),
            confidence=fields["confidence"],
        )
        if not 0.0 < earlier.confidence < 1.0:
            raise ValueError(f"confidence is {earlier.confidence}")
        return checked(earlier)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        say(f"{path} cannot be read ({type(error).__name__}: {error}); it is made anew from the stored rollouts")
        return None


def _keep(store: RolloutStore, earlier: _Earlier) -> Path:
    """Put the result before aside. After a kill behind this point `problems.jsonl` may be the new one, so what is kept stays."""
    names = [
        store.verdicts_path(*grader).stem.removeprefix("verdicts-") for grader in sorted(earlier.verifiers.items())
    ]
    label = "+".join(names)
    kept = store.directory / f"passk-{label}.json"
    try:
        if not kept.is_file() or read_text(kept) != earlier.text:
            counts = store.directory / "problems.jsonl"
            if counts.is_file():
                atomic_write_text(store.directory / f"problems-{label}.jsonl", read_text(counts))
            atomic_write_text(kept, earlier.text)
    except (OSError, JsonFault) as error:
        raise StoreError(f"cannot keep the result before as {kept}: {why(error)}") from error
    return kept
