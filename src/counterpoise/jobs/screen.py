"""The screen put together: worked examples from the training side, draws with and without them at several temperatures, the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from counterpoise.diagnostics.advice.screen import Screen, ScreenCell, judge_screen
from counterpoise.diagnostics.advice.thresholds import THRESHOLDS, Thresholds
from counterpoise.diagnostics.explanation import Measured
from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.intervals import bootstrap_intervals, paired_differences
from counterpoise.golds import accepted
from counterpoise.jobs.drawing import Drawing
from counterpoise.jobs.profile import Group, as_measured
from counterpoise.prompts import Wording, make_prompts
from counterpoise.prompts.templates import Shot, Tokenizer
from counterpoise.streams import numpy_generator, stream
from counterpoise.tasks.selfcheck import respond
from counterpoise.text import counted
from counterpoise.types import Problem, VerdictValue, Verify

__all__ = ["COOLINGS", "SHOTS", "Draws", "WorkedExamples", "find_examples", "screen_of", "screen_policy"]

SHOTS = 4
"""Worked examples in the prompt."""
COOLINGS = (1.0, 0.6, 0.3)
"""Temperatures of the draws, as shares of the run's own."""

Draws = Mapping[tuple[bool, float], Sequence[Group]]
"""Judged groups by whether examples were shown, and by temperature; the same problems in the same order in all of them."""

_TRIES = 8
"""Problems that are looked at for each example that is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedExamples:
    """Examples of each task type, and the problems that are left to be asked."""

    shots: Mapping[str, Sequence[Shot]] = field(default_factory=dict)
    """Question and answer by task type."""
    problems: Sequence[Problem] = ()
    """Problems to ask, none of which is an example."""


def find_examples(
    asked: Sequence[Problem], train: Sequence[Problem], verify: Verify, *, count: int, seed: int
) -> WorkedExamples:
    r"""`count` worked examples for each task type of `asked`, of training problems that are not asked themselves.

    The answer shown is the first of these that the problem's own verifier calls right: its demonstration, its gold, `\boxed{gold}`. Where
    the training side has no other problems, some of those to be asked become examples.

    Args:
        asked: problems to be asked, each once.
        train: the training side.
        verify: the judge.
        count: examples of each task type.
        seed: chooses them.

    Raises:
        UsageError: a task type has too few problems, or its golds cannot be shown as answers.
    """
    asked_ids = {problem.problem_id for problem in asked}
    kinds = sorted({problem.task_type for problem in asked})
    shots: dict[str, list[Shot]] = {}
    used: set[str] = set()
    for kind in kinds:
        own = [problem for problem in train if problem.task_type == kind]
        order = numpy_generator(seed, "advise", "examples", kind).permutation(len(own))
        shuffled = [own[index] for index in order]
        # Problems that nobody asks come first.
        looked = sorted(shuffled, key=lambda problem: problem.problem_id in asked_ids)[: _TRIES * count]
        found = _shown(looked, verify)[:count]
        if len(found) < count:
            raise UsageError(
                f"--screen needs {counted(count, 'worked example')} of the task type {kind}, and of {counted(len(looked), 'problem')} "
                f"{len(found)} have an answer that their own verifier accepts when it is shown (demonstration or gold); put examples into "
                "prompt.shots, or ask for fewer with --shots"
            )
        shots[kind] = [(problem.question, answer) for problem, answer in found]
        used |= {problem.problem_id for problem, _ in found}
    left = [problem for problem in asked if problem.problem_id not in used]
    if missing := [kind for kind in kinds if all(problem.task_type != kind for problem in left)]:
        raise UsageError(
            f"--screen has no problem of the task type {missing[0]} left to ask beside its {counted(count, 'worked example')}; give more "
            "training problems, or fewer --shots"
        )
    return WorkedExamples(shots=shots, problems=left)


def _shown(problems: Sequence[Problem], verify: Verify) -> list[tuple[Problem, str]]:
    candidates = [(problem, text) for problem in problems for text in _answers(problem)]
    verdicts = verify(
        [problem for problem, _ in candidates], [text for _, text in candidates], [False] * len(candidates)
    )
    first: dict[str, tuple[Problem, str]] = {}
    for (problem, text), verdict in zip(candidates, verdicts, strict=True):
        if verdict.correct:
            first.setdefault(problem.problem_id, (problem, text.strip()))
    return list(first.values())


def _answers(problem: Problem) -> list[str]:
    boxed = respond(replace(problem, demonstration=None))
    texts = [problem.demonstration or "", accepted(problem.gold)[0], boxed]
    return [text for text in dict.fromkeys(texts) if text.strip()]


def screen_policy(
    drawing: Drawing,
    asked: Sequence[Problem],
    train: Sequence[Problem],
    *,
    wording: Wording,
    tokenizer: Tokenizer,
    fit: Callable[[Sequence[Problem], Wording], Sequence[Problem]],
    shots: int = SHOTS,
    seed: int,
    confidence: float = 0.95,
    on_drawn: Callable[[int, int, str], None] | None = None,
) -> tuple[Screen, ...]:
    """Draw `asked` with and without worked examples, at the settings' temperature and below it, and judge each task type.

    Examples are those of the run's own wording, where it has any, and else some of the training side's problems.

    Args:
        drawing: how responses are drawn and judged.
        asked: problems to be asked, each once.
        train: the training side.
        wording: of the run.
        tokenizer: the policy's.
        fit: the problems whose prompts have room.
        shots: worked examples, where the wording has none.
        seed: of examples, draws and bootstrap.
        confidence: of the intervals.
        on_drawn: gets (rollouts drawn, rollouts wanted, what is being drawn).

    Raises:
        UsageError: a task type has too few problems, or its golds cannot be shown as answers.
        ConfigError: its template takes no examples.
        DataError: the prompts with examples are too long.
    """
    if own := wording.shots:
        kinds = {problem.task_type for problem in asked}
        questions = {question for question, _ in own}
        left = [problem for problem in asked if problem.question not in questions]
        examples = WorkedExamples(shots=dict.fromkeys(kinds, own), problems=left)
    else:
        examples = find_examples(asked, train, drawing.verify, count=shots, seed=seed)
    say = on_drawn or (lambda done, total, text: None)
    top = drawing.settings.temperature
    temperatures = [top * share for share in COOLINGS]
    total = 2 * len(temperatures) * len(examples.problems) * drawing.group_size
    done, found = 0, []
    for kind in sorted(examples.shots):
        problems = [problem for problem in examples.problems if problem.task_type == kind]
        bare, worked = (replace(wording, shots=own) for own in ((), tuple(examples.shots[kind])))
        problems = list(fit(problems, worked))
        draws: dict[tuple[bool, float], Sequence[Group]] = {}
        for shown in (False, True):
            prompts = make_prompts(problems, tokenizer, template=worked if shown else bare)
            for temperature in temperatures:
                words = f"{kind}, {counted(len(examples.shots[kind]) if shown else 0, 'example')}, temperature {temperature:g}"
                say(done, total, words)
                draws[shown, temperature] = drawing.groups(
                    prompts, seed=stream(seed, "advise", "screen"), temperature=temperature
                )
                done += len(prompts) * drawing.group_size
        found.append(screen_of(kind, draws, shots=len(examples.shots[kind]), seed=seed, confidence=confidence))
    return tuple(found)


def screen_of(
    task_type: str, draws: Draws, *, shots: int, seed: int, confidence: float = 0.95, t: Thresholds = THRESHOLDS
) -> Screen:
    """The verdict on one task type.

    The best cells are chosen on the draws they are compared on, on both sides alike. A problem of which a cell has no scored response takes
    no part in that cell. Intervals are over problems, paired.

    Args:
        task_type: its name.
        draws: groups of that type in every cell; the first cell without examples is as the run draws.
        shots: worked examples of the cells that have any.
        seed: of the bootstrap.
        confidence: of the intervals.
        t: the numbers that decide.
    """

    def intervals(name: str, values: npt.NDArray[np.float64]) -> Measured:
        generator = numpy_generator(seed, "advise", "screen", task_type, name)
        return as_measured(bootstrap_intervals(values, generator=generator, confidence=confidence, resamples=2000)[0])

    rates = {key: np.array([_rate(group) for group in groups]) for key, groups in draws.items()}
    cells = [
        ScreenCell(
            shots=shots if shown else 0,
            temperature=temperature,
            pass_1=intervals(f"{shown} {temperature:g}", rates[shown, temperature]),
            pass_k=intervals(f"{shown} {temperature:g} k", np.array([_solved(group) for group in groups])),
            no_answer=_no_answer(groups),
        )
        for (shown, temperature), groups in draws.items()
    ]
    ids = [group.problem.problem_id for group in next(iter(draws.values()))]

    def best(shown: bool) -> npt.NDArray[np.float64]:
        own = [rate for (has, _), rate in rates.items() if has == shown]
        return max(own, key=_mean)

    def gain(name: str, base: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> Measured:
        generator = numpy_generator(seed, "advise", "screen", task_type, name)
        (found,) = paired_differences(ids, base, ids, after, generator=generator, confidence=confidence, resamples=2000)
        return as_measured(found)

    drawn = next(rate for (shown, _), rate in rates.items() if not shown)
    return judge_screen(
        task_type,
        cells,
        examples=gain("examples", best(False), best(True)),
        cooling=gain("cooling", drawn, best(False)),
        problems=len(ids),
        group_size=max(len(group.rollouts) for group in next(iter(draws.values()))),
        t=t,
    )


def _rate(group: Group) -> float:
    scored = [verdict.correct for verdict in group.verdicts if verdict.scored]
    return sum(scored) / len(scored) if scored else float("nan")


def _solved(group: Group) -> float:
    """pass@k at k = the responses drawn; NaN where some were not scored, since fewer would be another k."""
    if not all(verdict.scored for verdict in group.verdicts):
        return float("nan")
    n, c = len(group.verdicts), sum(verdict.correct for verdict in group.verdicts)
    return float(pass_at_k(np.array([n]), np.array([c]), [n])[0, 0])


def _no_answer(groups: Sequence[Group]) -> float:
    scored = [verdict for group in groups for verdict in group.verdicts if verdict.scored]
    return sum(verdict.value is VerdictValue.NO_ANSWER for verdict in scored) / len(scored) if scored else float("nan")


def _mean(values: npt.NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else -1.0
