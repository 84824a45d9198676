"""The evaluation itself: draw what is missing, grade what is not graded, summarise. Can be stopped anywhere and run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from counterpoise.errors import DataError, StoreError, UsageError
from counterpoise.evaluation.ahead import Ahead, asked_of
from counterpoise.evaluation.answers import Equivalent
from counterpoise.evaluation.estimators.subsets import MAX_ROLLOUTS
from counterpoise.evaluation.store.rollouts import RolloutStore, StoredRollout, StoredVerdict
from counterpoise.evaluation.store.seen import Seen
from counterpoise.evaluation.summary import EvaluationResult, summarise
from counterpoise.iterating import in_batches
from counterpoise.streams import stream
from counterpoise.types import Judging, Problem, Prompt, Sampler, SamplingSettings, Verdict, Verify

__all__ = ["OnProgress", "Progress", "check_asked", "conclude", "evaluate", "grade", "sample"]

_GRADED_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an evaluation is."""

    stage: str
    """`sample` or `grade`."""
    done: int
    """Rollouts drawn or graded, earlier runs included."""
    total: int
    """Rollouts wanted."""


OnProgress = Callable[[Progress], None]


def evaluate(
    *,
    store: RolloutStore,
    problems: Sequence[Problem],
    make_prompts: Callable[[Sequence[Problem]], list[Prompt]],
    sampler: Sampler,
    verify: Verify,
    n: int,
    settings: SamplingSettings,
    seed: int,
    problems_per_batch: int = 8,
    samples_per_block: int = 32,
    policy_version: int = 0,
    equivalent: Equivalent | None = None,
    ks: Sequence[int] | None = None,
    confidence: float = 0.95,
    begin: Callable[[], Judging] | None = None,
    on_progress: OnProgress | None = None,
) -> EvaluationResult:
    """Draw n responses for each problem, grade them, and write `passk.json` and `problems.jsonl` into the store's directory.

    Sampling and grading are two steps, each of which does only what the store lacks: an interrupted evaluation that is run again with the
    same arguments ends with the rollouts an unbroken one would have.

    Args:
        store: where rollouts and verdicts go; its manifest must hold the same settings and seed.
        problems: what to evaluate on, each problem once.
        make_prompts: template and tokenizer.
        sampler: draws the responses.
        verify: judges them.
        n: responses for each problem.
        settings: how responses are drawn.
        seed: seed of the evaluation.
        problems_per_batch: problems drawn together.
        samples_per_block: responses drawn together for each of them; what a kill can lose at most is one such block.
        policy_version: optimiser steps behind the weights, recorded with each rollout.
        equivalent: says which wrong answers are equal, for maj@k; None compares their texts.
        ks: numbers of tries; by default the powers of two up to n.
        confidence: coverage of the intervals.
        begin: judges the responses of a block while the next is drawn; None judges all after the last. The verdicts are the same.
        on_progress: called after every block.

    Raises:
        DataError: no problems, or one listed twice.
        UsageError: n, a batch size or a k is impossible.
        StoreError: the store was begun with other settings, cannot be written, or every rollout is unscored.
    """
    check_asked(problems, n=n, settings=settings, ks=ks)
    _check(store, settings=settings, seed=seed, sizes=(problems_per_batch, samples_per_block))
    with closing(Ahead(store, problems, begin)) as ahead:
        sample(
            store=store,
            problems=problems,
            make_prompts=make_prompts,
            sampler=sampler,
            n=n,
            settings=settings,
            seed=seed,
            problems_per_batch=problems_per_batch,
            samples_per_block=samples_per_block,
            policy_version=policy_version,
            on_block=ahead.judge,
            on_progress=on_progress,
        )
        ahead.finish()
    return conclude(
        store=store,
        problems=problems,
        verify=verify,
        n=n,
        equivalent=equivalent,
        ks=ks,
        confidence=confidence,
        on_progress=on_progress,
    )


def conclude(
    *,
    store: RolloutStore,
    problems: Sequence[Problem],
    verify: Verify,
    n: int,
    equivalent: Equivalent | None = None,
    ks: Sequence[int] | None = None,
    confidence: float = 0.95,
    on_progress: OnProgress | None = None,
) -> EvaluationResult:
    """Grade what is drawn and write the result: the part of `evaluate` after the last response, whoever drew.

    Raises:
        StoreError: a file cannot be written, or every rollout is unscored.
    """
    graders = grade(store=store, problems=problems, verify=verify, n=n, on_progress=on_progress)
    result = summarise(store, problems, n=n, graders=graders, equivalent=equivalent, ks=ks, confidence=confidence)
    result.save(store.directory)
    return result


def sample(
    *,
    store: RolloutStore,
    problems: Sequence[Problem],
    make_prompts: Callable[[Sequence[Problem]], list[Prompt]],
    sampler: Sampler,
    n: int,
    settings: SamplingSettings,
    seed: int,
    problems_per_batch: int = 8,
    samples_per_block: int = 32,
    policy_version: int = 0,
    on_block: Callable[[Sequence[StoredRollout]], None] | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Draw the responses the store lacks, block by block, each block on the disk before the next begins; `on_block` gets what is new.

    A block is a run of consecutive problems times a run of sample indices, fixed by the arguments alone and never by what is stored. Its
    seed is `stream(seed, "evaluate", first sample, samples, problem ids…)`. A block a kill left in pieces is drawn again whole and only
    its missing draws are added, so that they are the draws the kill took.
    """
    missing = store.missing([problem.problem_id for problem in problems], n)
    done, total = n * len(problems) - sum(map(len, missing.values())), n * len(problems)
    _tell(on_progress, "sample", done, total)
    for batch in _chunks(problems, problems_per_batch):
        lacking = {index for problem in batch for index in missing.get(problem.problem_id, ())}
        prompts: list[Prompt] = []
        for start in range(0, n, samples_per_block):
            size = min(samples_per_block, n - start)
            if lacking.isdisjoint(range(start, start + size)):
                continue
            prompts = prompts or make_prompts(batch)
            block_seed = stream(seed, "evaluate", start, size, *(problem.problem_id for problem in batch))
            groups = sampler.sample(
                prompts, group_size=size, settings=settings, seed=block_seed, policy_version=policy_version
            )
            drawn = [
                StoredRollout.of(
                    rollout, sample=start + offset, seed=block_seed, prefix=prompt.prefix, in_thought=prompt.in_thought
                )
                for prompt, group in zip(prompts, groups, strict=True)
                for offset, rollout in zip(range(size), group, strict=True)
            ]
            fresh = [rollout for rollout in drawn if not store.holds(rollout.problem_id, rollout.sample)]
            done += store.append(fresh)
            if on_block is not None:
                on_block(fresh)
            _tell(on_progress, "sample", done, total)


def grade(
    *,
    store: RolloutStore,
    problems: Sequence[Problem],
    verify: Verify,
    n: int,
    on_progress: OnProgress | None = None,
) -> dict[str, tuple[str, str]]:
    """Judge the stored draws (sample index below n) that today's verifiers have not judged; verdicts of other versions stay untouched.

    Returns:
        For each `Problem.verifier`, the (name, version) that judged: what `summarise` wants as `graders`.

    Raises:
        StoreError: a file cannot be written, or a verifier changed its version while it was judging.
    """
    by_id = {problem.problem_id: problem for problem in problems}
    graders: dict[str, tuple[str, str]] = {}
    judged: dict[str, Seen] = {}
    waiting = 0
    drawn = store.drawn()
    asked: dict[str, list[str]] = {}
    for problem in problems:
        if problem.problem_id in drawn:
            asked.setdefault(problem.verifier, []).append(problem.problem_id)
    for rollout in _wanted(store, by_id, n):
        name = by_id[rollout.problem_id].verifier
        if name not in graders:
            # Only a verdict tells which version is at work, so one response is judged to learn which file to resume.
            verdict = _judge(verify, by_id, [rollout])[0]
            graders[name] = (verdict.verifier, verdict.version)
            judged[name] = store.graded(*graders[name])
            waiting += store.waiting(asked[name], n, judged[name])
            if len(graders) == len(asked):
                break
    total = len(by_id) * n
    done = total - waiting
    _tell(on_progress, "grade", done, total)
    if not waiting:
        return graders
    pending = (
        rollout
        for rollout in _wanted(store, by_id, n)
        if not judged[by_id[rollout.problem_id].verifier].has(rollout.problem_id, rollout.sample)
    )
    for batch in in_batches(pending, _GRADED_AT_ONCE):
        verdicts = _judge(verify, by_id, batch)
        for rollout, verdict in zip(batch, verdicts, strict=True):
            name = by_id[rollout.problem_id].verifier
            if (verdict.verifier, verdict.version) != graders[name]:
                raise StoreError(
                    f"the verifier of '{name}' problems answered as {verdict.verifier} {verdict.version} after beginning as "
                    f"{' '.join(graders[name])}; grade with one version: run the same command again"
                )
        store.append_verdicts(
            [
                StoredVerdict(problem_id=rollout.problem_id, sample=rollout.sample, verdict=verdict)
                for rollout, verdict in zip(batch, verdicts, strict=True)
            ]
        )
        done += len(batch)
        _tell(on_progress, "grade", done, total)
    return graders


def check_asked(
    problems: Sequence[Problem], *, n: int, settings: SamplingSettings, ks: Sequence[int] | None = None
) -> None:
    """See that problems, n, temperature and k make sense together, before anything is drawn.

    Raises:
        DataError: no problems, or one listed twice.
        UsageError: n or a k is impossible.
    """
    if not problems:
        raise DataError(
            "no problems to evaluate: the split is empty; check the task's test file, its split and its limit"
        )
    repeated, times = Counter(problem.problem_id for problem in problems).most_common(1)[0]
    if times > 1:
        raise DataError(
            f"problem {repeated} is listed {times} times; give each problem once, or it would weigh {times} times"
        )
    if not 1 <= n <= MAX_ROLLOUTS:
        raise UsageError(f"n must be from 1 to {MAX_ROLLOUTS} rollouts for each problem; got {n}")
    if n > 1 and settings.temperature == 0:
        raise UsageError(
            f"temperature 0 is greedy, so all {n} responses to a problem would be equal; use n=1 or a temperature above 0"
        )
    too_many = [k for k in ks or () if not 1 <= k <= n]
    if too_many:
        raise UsageError(
            f"pass@{too_many[0]} cannot be estimated from n={n} rollouts; choose k from 1 to n, or raise n"
        )


def _check(store: RolloutStore, *, settings: SamplingSettings, seed: int, sizes: tuple[int, int]) -> None:
    if min(sizes) < 1:
        raise UsageError(f"problems_per_batch and samples_per_block must be at least 1; got {sizes[0]} and {sizes[1]}")
    if (store.manifest.settings, store.manifest.seed) != (settings, seed):
        raise StoreError(
            f"{store.directory} was begun with {store.manifest.settings} and seed {store.manifest.seed}; asked for now: {settings} "
            f"and seed {seed}. Open the store with the manifest of this evaluation"
        )


def _judge(verify: Verify, by_id: Mapping[str, Problem], rollouts: Sequence[StoredRollout]) -> list[Verdict]:
    return verify(*asked_of(by_id, rollouts))


def _wanted(store: RolloutStore, by_id: Mapping[str, Problem], n: int) -> Iterator[StoredRollout]:
    return (rollout for rollout in store.rollouts() if rollout.problem_id in by_id and rollout.sample < n)


def _chunks(problems: Sequence[Problem], size: int) -> Iterator[Sequence[Problem]]:
    return (problems[start : start + size] for start in range(0, len(problems), size))


def _tell(on_progress: OnProgress | None, stage: str, done: int, total: int) -> None:
    if on_progress is not None:
        on_progress(Progress(stage=stage, done=done, total=total))
