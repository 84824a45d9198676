"""pass@k of a policy: sampler, prompts, judge and store put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from counterpoise.config import EvaluationConfig, RolloutConfig
from counterpoise.engines.policy import Policy
from counterpoise.errors import DataError
from counterpoise.evaluation.run import Progress, evaluate
from counterpoise.evaluation.store import Manifest, RolloutStore
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.prompts.templates import make_prompts
from counterpoise.types import Problem, Prompt, Sampler, SamplingSettings, Verdict
from counterpoise.verifiers.batch import Judge

__all__ = ["evaluate_policy", "first_problems"]


def first_problems(problems: Sequence[Problem], limit: int | None) -> list[Problem]:
    """The first `limit` problems in the order of their ids: a fixed, content-hashed sample of the split."""
    return sorted(problems, key=lambda problem: problem.problem_id)[:limit]


def evaluate_policy(
    policy: Policy,
    problems: Sequence[Problem],
    *,
    sampler: Sampler,
    judge: Judge,
    config: EvaluationConfig,
    rollout: RolloutConfig,
    template: str,
    task: str,
    model_name: str,
    directory: Path,
    seed: int,
    policy_version: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationResult:
    """Sample, grade and summarise into `directory`; continues what is already there.

    Raises:
        DataError: there are no problems.
        StoreError: the directory holds another evaluation, or the disk is full.
    """
    if not problems:
        raise DataError(f"task '{task}' has no test problems; give a larger file, or another split")
    settings = SamplingSettings(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        max_tokens=config.max_tokens or rollout.max_tokens,
        stop=tuple(rollout.stop),
    )
    manifest = Manifest(
        model=model_name,
        task=f"{task}:test",
        template=template,
        settings=settings,
        seed=seed,
        weights=f"step {policy_version}",
    )

    def prompts(batch: Sequence[Problem]) -> list[Prompt]:
        return make_prompts(batch, policy.tokenizer, template=template)

    def progress(progress: Progress) -> None:
        # Sampling is nearly all of the time, so it is what the bar shows.
        if on_progress is not None and progress.stage == "sample":
            on_progress(progress.done, progress.total)

    def verify(batch: Sequence[Problem], responses: Sequence[str], truncated: Sequence[bool]) -> list[Verdict]:
        return judge.verify(batch, responses, truncated=truncated)

    block = min(config.n, 64)
    return evaluate(
        store=RolloutStore(directory, manifest),
        problems=problems,
        make_prompts=prompts,
        sampler=sampler,
        verify=verify,
        n=config.n,
        settings=settings,
        seed=seed,
        problems_per_batch=max(1, rollout.max_rows // block),
        samples_per_block=block,
        policy_version=policy_version,
        ks=config.k,
        confidence=config.confidence,
        on_progress=progress,
    )
