"""pass@k of a policy at hand: sampler, prompts, judge and store put together, for a run in progress or a finished one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from counterpoise.config import RunConfig
from counterpoise.engines.local.policy import Policy
from counterpoise.evaluation.run import Progress, evaluate
from counterpoise.evaluation.store import Manifest, RolloutStore
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.evaluation.task_file import keep_task
from counterpoise.prompts.templates import make_prompts
from counterpoise.runfile import settled
from counterpoise.text import counted
from counterpoise.types import Problem, Prompt, Sampler, SamplingSettings
from counterpoise.verifiers.equivalence import equivalent_answers
from counterpoise.verifiers.judge import Judge

__all__ = ["OnProgress", "Say", "evaluate_policy", "first_problems", "manifest_of", "unsaid"]

OnProgress = Callable[[int, int], None]
Say = Callable[[str], None]

_DAMAGES_SAID = 5

_GIVEN = {"name", "train", "test", "settings"}
"""What of `[tasks]` decides which problems the test split has."""

_SAMPLES_PER_BLOCK = 64
"""Fixed, so that an evaluation continued with a larger n draws on from where the smaller one ended."""


def first_problems(problems: Sequence[Problem], limit: int | None) -> list[Problem]:
    """The first `limit` problems of each task type in the order of their ids: a fixed sample of the split, whatever order the file has."""
    seen: Counter[str] = Counter()
    chosen: list[Problem] = []
    for problem in sorted(problems, key=lambda problem: problem.problem_id):
        seen[problem.task_type] += 1
        if limit is None or seen[problem.task_type] <= limit:
            chosen.append(problem)
    return chosen


def unsaid(line: str) -> None:
    """A `Say` that says nothing."""


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
    say: Say = unsaid,
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
            ks=wanted.ks,
            confidence=wanted.confidence,
            on_progress=progress,
        )
    finally:
        for damage in store.damages[:_DAMAGES_SAID]:
            say(str(damage))
        if len(store.damages) > _DAMAGES_SAID:
            say(f"and {counted(len(store.damages) - _DAMAGES_SAID, 'more damaged line')} in {directory}")
