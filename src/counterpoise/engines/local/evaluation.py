"""pass@k of a policy at hand: sampler, prompts, judge and store put together, for a run in progress or a finished one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from counterpoise.build.evaluation import OnCount, Say, keep_given, manifest_of, say_damages, unsaid
from counterpoise.config import RunConfig
from counterpoise.engines.local.policy import Policy
from counterpoise.errors import StoreError
from counterpoise.evaluation.run import Progress, evaluate
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.prompts import Wording, make_prompts
from counterpoise.runs.directory import RunDirectory
from counterpoise.types import Problem, Prompt, Sampler
from counterpoise.verifiers.equivalence import equivalent_answers
from counterpoise.verifiers.judge import Judge

__all__ = ["evaluate_policy", "is_evaluated"]

_SAMPLES_PER_BLOCK = 64
"""Fixed, so that an evaluation continued with a larger n draws on from where the smaller one ended."""


def evaluate_policy(
    policy: Policy,
    problems: Sequence[Problem],
    *,
    sampler: Sampler,
    judge: Judge,
    config: RunConfig,
    template: Wording,
    directory: Path,
    step: int,
    on_progress: OnCount | None = None,
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
    keep_given(directory, config)
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
            begin=judge.begin if config.rollout.overlap else None,
            on_progress=progress,
        )
    finally:
        say_damages(store, say)


def is_evaluated(run: RunDirectory, step: int, problems: int) -> bool:
    """Whether the evaluation of one step is finished and has as many rollouts of so many problems as the run asks for now."""
    with suppress(StoreError):
        found = EvaluationResult.load(run.evaluation(step))
        return len(found.counts) >= problems and found.n >= run.config.evaluation.n
    return False
