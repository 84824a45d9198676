"""pass@k of a policy: sampler, prompts, judge and store put together, for a run in progress, a finished one, or any model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from counterpoise.config import RunConfig
from counterpoise.engines.assemble import make_sampler
from counterpoise.engines.lookup import check_verifiers, judge_of, task_and_template
from counterpoise.engines.policy import Policy, load_policy
from counterpoise.engines.precision import slow_precision
from counterpoise.engines.processes import use_threads
from counterpoise.engines.room import fit_problems
from counterpoise.engines.run_directory import RunDirectory
from counterpoise.errors import CheckpointError
from counterpoise.evaluation.run import Progress, evaluate
from counterpoise.evaluation.store import Manifest, RolloutStore
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.evaluation.task_file import keep_task
from counterpoise.learner.checkpoint import CheckpointStore
from counterpoise.prompts.templates import make_prompts
from counterpoise.runfile import settled
from counterpoise.text import counted
from counterpoise.types import Problem, Prompt, Sampler, SamplingSettings
from counterpoise.verifiers.batch import Judge
from counterpoise.verifiers.equivalence import equivalent_answers

__all__ = [
    "Bench",
    "evaluate_model",
    "evaluate_policy",
    "evaluate_run",
    "first_problems",
    "manifest_of",
    "open_bench",
]

OnProgress = Callable[[int, int], None]
Say = Callable[[str], None]

_DAMAGES_SAID = 5

# Fixed, so that an evaluation continued with a larger n draws on from where the smaller one ended.
_GIVEN = {"name", "train", "test", "settings"}
"""What of `[tasks]` decides which problems the test split has."""

_SAMPLES_PER_BLOCK = 64


def first_problems(problems: Sequence[Problem], limit: int | None) -> list[Problem]:
    """The first `limit` problems of each task type in the order of their ids: a fixed sample of the split, whatever order the file has."""
    seen: Counter[str] = Counter()
    chosen: list[Problem] = []
    for problem in sorted(problems, key=lambda problem: problem.problem_id):
        seen[problem.task_type] += 1
        if limit is None or seen[problem.task_type] <= limit:
            chosen.append(problem)
    return chosen


def _unsaid(line: str) -> None:
    pass


def evaluate_model(
    config: RunConfig, *, directory: Path, on_progress: OnProgress | None = None, say: Say = _unsaid
) -> EvaluationResult:
    """Evaluate `config.model` on the test split of `config.tasks` as `config.evaluation` says; `say` gets a line for each damage.

    Raises:
        ModelError, DataError, ConfigError: model or task cannot be loaded.
        StoreError: the directory holds another evaluation, or the disk is full.
    """
    with open_bench(config) as bench:
        return bench.evaluate(None, directory=directory, step=0, on_progress=on_progress, say=say)


def evaluate_run(
    run: RunDirectory, *, step: int | None = None, on_progress: OnProgress | None = None, say: Say = _unsaid
) -> tuple[int, EvaluationResult]:
    """Evaluate a checkpoint of a run (the newest intact one by default, step 0 is its base); rollouts the run drew itself count.

    Raises:
        CheckpointError: the run has no such checkpoint, or none that is intact.
        StoreError: the stored evaluation was drawn with other settings.
    """
    run.refuse_missing("eval")
    saved = None
    if step != 0:
        checkpoints = CheckpointStore(run.checkpoints, keep=run.config.checkpoint.keep, say=say)
        checkpoint = checkpoints.latest() if step is None else checkpoints.at(step)
        if checkpoint is None:
            raise CheckpointError(
                f"{run.path} has no intact checkpoint; continue it with: counterpoise train {run.path}"
            )
        saved, step = checkpoint.policy, checkpoint.step
    with open_bench(run.config, check=run.compare_test) as bench:
        result = bench.evaluate(saved, directory=run.evaluation(step), step=step, on_progress=on_progress, say=say)
    return step, result


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the evaluations of one configuration share, whatever the weights."""

    config: RunConfig
    """What to evaluate, and how."""
    problems: Sequence[Problem]
    """The problems of `config.evaluation`."""
    pool: Sequence[Problem]
    """All problems of the test side."""
    template: str
    """Prompt template's name."""
    accelerator: Accelerator
    """Device and precision."""
    judge: Judge
    """Judges the responses."""

    def evaluate(
        self,
        saved: Path | None,
        *,
        directory: Path,
        step: int,
        on_progress: OnProgress | None = None,
        say: Say = _unsaid,
    ) -> EvaluationResult:
        """Read the weights in `saved` (None: the model as it was before training) and `evaluate_policy` them."""
        policy = load_policy(self.config.model, saved)
        policy.model.to(self.accelerator.device)
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
def open_bench(
    config: RunConfig, *, check: Callable[[Sequence[Problem]], None] = lambda problems: None
) -> Iterator[Bench]:
    """Read the task and start the judge, whose workers end with the block; no model is read yet.

    Args:
        config: what to evaluate, and how.
        check: gets all problems of the test side, and raises where they are not those it knows.

    Raises:
        DataError, ConfigError: the task cannot be loaded.
        UnknownNameError: a problem names no known verifier.
    """
    use_threads(config.run.threads)
    task, template = task_and_template(config)
    pool = task.problems("test")
    check(pool)
    problems = first_problems(pool, config.evaluation.problems)
    check_verifiers(problems, config.verification.settings)
    accelerator = Accelerator(mixed_precision=config.learner.mixed_precision)
    with judge_of(config.verification) as judge:
        yield Bench(
            config=config, problems=problems, pool=pool, template=template, accelerator=accelerator, judge=judge
        )


def manifest_of(config: RunConfig, template: str, step: int) -> Manifest:
    """What the store of an evaluation is begun with."""
    wanted = config.evaluation
    return Manifest(
        model=config.model.name,
        task=f"{config.tasks.name}:test",
        template=template,
        settings=SamplingSettings(
            temperature=wanted.temperature,
            top_p=wanted.top_p,
            top_k=wanted.top_k,
            max_tokens=wanted.max_tokens or config.rollout.max_tokens,
            stop=tuple(config.rollout.stop),
        ),
        seed=config.run.seed,
        weights=f"{config.run.name} step {step}" if step else None,
    )


def evaluate_policy(
    policy: Policy,
    problems: Sequence[Problem],
    *,
    sampler: Sampler,
    judge: Judge,
    config: RunConfig,
    template: str,
    directory: Path,
    step: int,
    on_progress: OnProgress | None = None,
    say: Say = _unsaid,
) -> EvaluationResult:
    """Sample, grade and summarise into `directory`; continues what is already there. `say` gets a line for each damaged line of the store.

    Raises:
        DataError: there are no problems.
        StoreError: the directory holds another evaluation, or the disk is full.
    """
    wanted = config.evaluation
    manifest = manifest_of(config, template, step)

    def prompts(batch: Sequence[Problem]) -> list[Prompt]:
        return make_prompts(batch, policy.tokenizer, template=template, max_prompt_tokens=config.prompt.max_tokens)

    def progress(progress: Progress) -> None:
        # Sampling is nearly all of the time, so it is what the bar shows.
        if on_progress is not None and progress.stage == "sample":
            on_progress(progress.done, progress.total)

    # One prompt now: a template that does not fit the tokenizer is refused before a store is begun.
    prompts(problems[:1])
    store = RolloutStore(directory, manifest)
    keep_task(directory, settled(config).tasks.model_dump(mode="json", exclude_none=True, include=_GIVEN))
    try:
        return evaluate(
            store=store,
            problems=problems,
            make_prompts=prompts,
            sampler=sampler,
            verify=judge.verify,
            n=wanted.n,
            settings=manifest.settings,
            seed=config.run.seed,
            problems_per_batch=max(1, config.rollout.max_rows // min(wanted.n, _SAMPLES_PER_BLOCK)),
            samples_per_block=_SAMPLES_PER_BLOCK,
            policy_version=step,
            equivalent=partial(equivalent_answers, judge),
            ks=wanted.k,
            confidence=wanted.confidence,
            on_progress=progress,
        )
    finally:
        for damage in store.damages[:_DAMAGES_SAID]:
            say(str(damage))
        if len(store.damages) > _DAMAGES_SAID:
            say(f"and {counted(len(store.damages) - _DAMAGES_SAID, 'more damaged line')} in {directory}")
