"""pass@k of a finished run, or of any model: read, sampled, judged and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from accelerate import Accelerator

from counterpoise.build.evaluation import OnCount, Say, first_problems, manifest_of, unsaid
from counterpoise.build.judge import judge_of
from counterpoise.build.problems import check_verifiers, task_and_template
from counterpoise.config import RunConfig
from counterpoise.engines.local.assemble import make_sampler
from counterpoise.engines.local.evaluation import evaluate_policy
from counterpoise.engines.local.measured import with_precision
from counterpoise.engines.local.policy import Policy, load_policy
from counterpoise.engines.local.precision import slow_precision
from counterpoise.engines.local.room import fit_problems
from counterpoise.errors import CheckpointError, StoreError
from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.store.rollouts import same_draws
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.evaluation.sweep import Swept
from counterpoise.jobs.sweep import ProgressOf, SweptSetting, sweep
from counterpoise.learner.checkpoint import CheckpointStore
from counterpoise.processes import use_threads
from counterpoise.prompts import Wording
from counterpoise.runs.directory import RunDirectory
from counterpoise.types import Problem
from counterpoise.verifiers.judge import Judge

__all__ = ["Evaluator", "evaluate_model", "evaluate_run", "open_evaluator", "sweep_policy", "weights_of"]


def evaluate_model(
    config: RunConfig, *, directory: Path, on_progress: OnCount | None = None, say: Say = unsaid
) -> EvaluationResult:
    """Evaluate `config.model` on the test split of `config.tasks` as `config.evaluation` says; `say` gets a line for each damage.

    Raises:
        ModelError, DataError, ConfigError: model or task cannot be loaded.
        StoreError: the directory holds another evaluation, or the disk is full.
    """
    with open_evaluator(config) as bench:
        return bench.evaluate(bench.load(None), directory=directory, step=0, on_progress=on_progress, say=say)


def evaluate_run(
    run: RunDirectory, *, step: int | None = None, on_progress: OnCount | None = None, say: Say = unsaid
) -> tuple[int, EvaluationResult]:
    """Evaluate a checkpoint of a run (the newest intact one by default, step 0 is its base); rollouts the run drew itself count.

    Raises:
        CheckpointError: the run has no such checkpoint, or none that is intact.
        StoreError: the stored evaluation was drawn with other settings.
    """
    run.refuse_missing("eval")
    saved, step = weights_of(run, step, say=say)
    with open_evaluator(run.config, check=run.compare_test) as bench:
        result = bench.evaluate(
            bench.load(saved), directory=run.evaluation(step), step=step, on_progress=on_progress, say=say
        )
    return step, result


def weights_of(run: RunDirectory, step: int | None, *, say: Say = unsaid) -> tuple[Path | None, int]:
    """The weights of a step of a run (the newest intact one by default), None where they are the base's, and the step.

    Raises:
        CheckpointError: the run has no such checkpoint, or none that is intact.
    """
    if step == 0:
        return None, 0
    checkpoints = CheckpointStore(run.checkpoints, keep=run.config.checkpoint.keep, say=say)
    checkpoint = checkpoints.latest() if step is None else checkpoints.at(step)
    if checkpoint is None:
        raise CheckpointError(f"{run.path} has no intact checkpoint; continue it with: counterpoise train {run.path}")
    return checkpoint.policy, checkpoint.step


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """What the evaluations of one configuration share, whatever the weights."""

    config: RunConfig
    """What to evaluate, and how."""
    problems: Sequence[Problem]
    """The problems of `config.evaluation`."""
    pool: Sequence[Problem]
    """All problems of the test side."""
    template: Wording
    """How the questions are worded."""
    accelerator: Accelerator
    """Device and precision."""
    judge: Judge
    """Judges the responses."""

    def load(self, saved: Path | None) -> Policy:
        """Read the weights in `saved`; None is the model as it was before training.

        Raises:
            ModelError: they cannot be read.
        """
        policy = load_policy(self.config.model, saved)
        policy.model.to(self.accelerator.device)
        return policy

    def standing(self, directory: Path, step: int) -> EvaluationResult | None:
        """The result that is stored there, where evaluating again would change nothing: same settings, problems, n, k and verifiers."""
        wanted = self.config.evaluation
        try:
            result = EvaluationResult.load(directory)
        except StoreError:
            return None
        verifiers = {name: self.judge.verifier(name).version for name in {p.verifier for p in self.problems}}
        same = (
            same_draws(result.manifest, manifest_of(self.config, self.template, step))
            and (result.n, result.confidence) == (wanted.n, wanted.confidence)
            and [point.k for point in result.curve] == sorted(set(wanted.ks or k_sweep(wanted.n)))
            and self._same_problems({problem.problem_id for problem in result.counts})
            and all(problem.n + problem.unscored == wanted.n for problem in result.counts)
            and dict(result.verifiers) == verifiers
            and bool(result.estimates)
        )
        return result if same else None

    def _same_problems(self, evaluated: set[str]) -> bool:
        """Whether these are asked for; which prompts are dropped is known with the tokenizer alone, so their number must do."""
        if self.config.prompt.too_long == "refuse":
            return evaluated == {problem.problem_id for problem in self.problems}
        return len(evaluated) <= len(self.problems) and evaluated <= {problem.problem_id for problem in self.pool}

    def evaluate(
        self,
        policy: Policy,
        *,
        directory: Path,
        step: int,
        on_progress: OnCount | None = None,
        say: Say = unsaid,
    ) -> EvaluationResult:
        """`evaluate_policy` what `load` gave."""
        for line in slow_precision(self.config, policy.model, device=self.accelerator.device.type):
            say(line)
        # Those that are dropped make room for others; where none may be, those that are not asked for are nobody's business.
        pool = self.pool if self.config.prompt.too_long == "drop" else self.problems
        room = fit_problems(
            policy,
            pool,
            self.config,
            template=self.template,
            training=False,
            say=say,
            begun=(directory / "manifest.json").is_file(),
        )
        return evaluate_policy(
            policy,
            first_problems(room, self.config.evaluation.problems),
            sampler=make_sampler(self.config, policy, self.accelerator),
            judge=self.judge,
            config=self.config,
            template=self.template,
            directory=directory,
            step=step,
            on_progress=on_progress,
            say=say,
        )


@contextmanager
def open_evaluator(
    config: RunConfig, *, check: Callable[[Sequence[Problem]], None] = lambda problems: None
) -> Iterator[Evaluator]:
    """Read the task and start the judge, whose workers end with the block; no model is read yet.

    Args:
        config: what to evaluate, and how.
        check: gets all problems of the test side, and raises where they are not those it knows.

    Raises:
        DataError, ConfigError: the task cannot be loaded.
        UnknownNameError: a problem names no known verifier.
    """
    use_threads(config.run.threads)
    config = with_precision(config)
    task, template = task_and_template(config)
    pool = task.problems("test")
    check(pool)
    problems = first_problems(pool, config.evaluation.problems)
    check_verifiers(problems, config.verification.settings)
    accelerator = Accelerator(mixed_precision=config.learner.mixed_precision)
    with judge_of(config.verification) as judge:
        yield Evaluator(
            config=config, problems=problems, pool=pool, template=template, accelerator=accelerator, judge=judge
        )


def sweep_policy(
    arms: Sequence[SweptSetting],
    *,
    saved: Path | None = None,
    step: int = 0,
    check: Callable[[Sequence[Problem]], None] = lambda problems: None,
    on_progress: ProgressOf | None = None,
    say: Say = unsaid,
) -> list[Swept]:
    """Evaluate weights, read once, at each setting; one that stands as it is asked for is read and not drawn again.

    Args:
        arms: the settings.
        saved: weights of a run's step; None is the model of the configuration.
        step: training steps behind them.
        check: as `open_evaluator` takes it.
        on_progress: as `ProgressOf`.
        say: gets a line for each damage.

    Returns:
        As `sweep`.

    Raises:
        DataError, ConfigError: the task cannot be loaded.
        ModelError: the model cannot be read.
    """
    with open_evaluator(arms[0].config, check=check) as bench:
        policy = cache(lambda: bench.load(saved))

        def evaluate(arm: SweptSetting, directory: Path) -> tuple[EvaluationResult, bool]:
            here = replace(bench, config=with_precision(arm.config))
            standing = here.standing(directory, step)
            if standing is not None:
                return standing, True
            progress = None if on_progress is None else on_progress(arm)
            return here.evaluate(policy(), directory=directory, step=step, on_progress=progress, say=say), False

        return sweep(arms, evaluate)
