"""What guard `narrowing` reads: pass@k of a few held-out problems, drawn in the middle of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from counterpoise.build.evaluation import first_problems
from counterpoise.config import RunConfig
from counterpoise.diagnostics.guards.narrowing import Narrowing
from counterpoise.diagnostics.guards.supervisor import Supervisor
from counterpoise.errors import DataError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.pipeline import Pipeline
from counterpoise.streams import stream
from counterpoise.types import Problem, Prompt

__all__ = ["HeldOut", "draws_to_come", "held_out_problems", "narrowing_of"]


def held_out_problems(test: Sequence[Problem], *, evaluated: int | None, wanted: int) -> list[Problem]:
    """The first `wanted` of each task type that are not among the evaluated ones; of all of a type's where no others are left of it."""
    taken = {problem.problem_id for problem in first_problems(test, evaluated)}
    others = {problem.task_type for problem in test if problem.problem_id not in taken}
    rest = [problem for problem in test if problem.problem_id not in taken or problem.task_type not in others]
    return first_problems(rest, wanted)


def draws_to_come(
    guards: Supervisor, config: RunConfig, test: Sequence[Problem], *, step: int
) -> tuple[int, int, int, int]:
    """Measurements that a run of `step` steps has before it, the problems of each, how many of these the run evaluates as well, and the
    responses to each; zeros without the guard.
    """
    guard = narrowing_of(guards)
    if guard is None:
        return 0, 0, 0, 0
    problems = held_out_problems(test, evaluated=config.evaluation.problems, wanted=guard.problems)
    evaluated = {problem.problem_id for problem in first_problems(test, config.evaluation.problems)}
    both = sum(problem.problem_id in evaluated for problem in problems)
    return guard.due_between(step, config.learner.steps), len(problems), both, guard.n


def narrowing_of(guards: Supervisor) -> Narrowing | None:
    """The guard among these that draws held-out problems."""
    return next((guard for guard in guards.guards.values() if isinstance(guard, Narrowing)), None)


class HeldOut:
    """Draws and judges every so many steps, where a guard asks for it; otherwise nothing."""

    def __init__(
        self,
        guards: Supervisor,
        config: RunConfig,
        pipeline: Pipeline,
        test: Sequence[Problem],
        prompts: Callable[[Sequence[Problem]], Sequence[Prompt]],
    ) -> None:
        """Choose the problems; `prompts` renders them.

        Raises:
            DataError: a guard asks for held-out problems, and the task has none.
        """
        self._guard = narrowing_of(guards)
        self._pipeline, self._prompts, self._seed = pipeline, prompts, config.run.seed
        wanted = 0 if self._guard is None else self._guard.problems
        self._problems = held_out_problems(test, evaluated=config.evaluation.problems, wanted=wanted)
        if self._guard is not None and not self._problems:
            raise DataError(
                f"guards.names has narrowing, which draws held-out problems, and task '{config.tasks.name}' has no test problems; "
                "give it some, or leave the guard out"
            )

    def keeps(self, index: int) -> bool:
        """Whether the checkpoint of this step is one that the run may end with."""
        return self._guard is not None and self._guard.finish and self._guard.due(index) and self._guard.calm

    def measure(self, index: int, *, policy_version: int) -> Mapping[str, float]:
        """`held_out_pass_1` and `held_out_pass_k` after the step of this index, if they are due; every process must call it.

        The draws are on a stream of their own, so that a resumed run has them again and a run without the guard has the same rollouts.
        Problems with fewer than k scored responses are left out; without any other there is nothing.
        """
        guard, pipeline = self._guard, self._pipeline
        if guard is None or not guard.due(index):
            return {}
        world = pipeline.world
        prompts = self._prompts(self._problems)[world.rank :: world.size]
        seed = stream(self._seed, "held_out", index, world.rank)
        verdicts = pipeline.verdicts(prompts, n=guard.n, seed=seed, policy_version=policy_version)
        rows = [verdicts[first : first + guard.n] for first in range(0, len(verdicts), guard.n)]
        counts = world.gather([(sum(v.scored for v in row), sum(v.correct for v in row)) for row in rows])
        kept = [(n, c) for n, c in counts if n >= guard.k]
        if not kept:
            return {}
        one, many = pass_at_k([n for n, _ in kept], [c for _, c in kept], [1, guard.k]).mean(axis=0).tolist()
        return {"held_out_pass_1": one, "held_out_pass_k": many}
