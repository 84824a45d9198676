"""The token microscope put together: sampler, verifier, credit rule, and one optimiser step of each rule on a copy of the policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from counterpoise.build.judge import judge_of
from counterpoise.build.problems import check_verifiers, problems_of, task_and_template
from counterpoise.config import RunConfig
from counterpoise.diagnostics import microscope
from counterpoise.diagnostics.explanation import Explanation
from counterpoise.engines.local.assemble import (
    assemble,
    make_pipeline,
    make_sampler,
)
from counterpoise.engines.local.measured import with_precision
from counterpoise.engines.local.policy import load_policy
from counterpoise.engines.local.precision import slow_precision
from counterpoise.engines.local.room import fit_problems
from counterpoise.errors import UsageError
from counterpoise.jobs import OnStage
from counterpoise.jobs.explain_bench import Bench, StepTaken
from counterpoise.jobs.explain_request import Request, choose_problems, choose_rollout, given_rollout, one_step
from counterpoise.processes import own_device, use_threads
from counterpoise.prompts import make_prompts
from counterpoise.rollouts.sampling import entropy_and_slope
from counterpoise.streams import stream
from counterpoise.types import Prompt, Rollout, Sampler, SamplingSettings

__all__ = ["explain"]


def explain(
    config: RunConfig,
    request: Request,
    *,
    saved: Path | None = None,
    name: str | None = None,
    on_progress: OnStage | None = None,
    say_line: Callable[[str], None] | None = None,
) -> Explanation:
    """Draw a batch, credit it by each rule, take one step on the explained group and one on the whole batch, and compare.

    The steps are the learner's own (loss, denominator, optimiser and gradient clip of `config`), on a copy and with a fresh optimiser;
    mini-batches, epochs and warm-up are left out, so that each is one step at the full rate.

    Args:
        config: of a run, or made for a model.
        request: what to explain.
        saved: weights of a checkpoint; None takes `config.model`.
        name: what the model is called; None takes `config.model.name`.
        on_progress: gets (done, total, what is next).
        say_line: gets a line about prompts that are left out, or leave little room.

    Raises:
        UnknownNameError, ConfigError: a rule, token weight, task or setting is not known.
        DataError: no such problem, or the response has no tokens, cannot be spelled by the tokenizer or is too long.
        TrainingError: too many rollouts could not be scored, or a step was refused.
    """
    say = on_progress or (lambda done, total, text: None)
    total = 3 + 2 * len(request.rules)
    note = say_line or (lambda line: None)
    if config.loss.kl_evidence:
        raise UsageError(
            "explain draws nothing of the base, so it cannot tell the prompts that loss.kl_evidence frees; "
            "add loss.kl_evidence=0 loss.kl_enough=1"
        )
    use_threads(config.run.threads)
    config = with_precision(config, own_device())
    rules = {rule: one_step(config, rule) for rule in request.rules}
    accelerator = Accelerator(mixed_precision=config.learner.mixed_precision)
    assemblies = {rule: assemble(own, problems_of(own, evaluates=False)) for rule, own in rules.items()}
    for rule, assembly in assemblies.items():
        if assembly.critic is not None:
            raise UsageError(
                f"explain cannot show {rule}: its credit needs the values of a critic, which learns in training; leave it out"
            )
    task, template = task_and_template(config)
    problems = choose_problems(task, request)
    check_verifiers(problems, config.verification.settings)
    say(0, total, "reading the model")
    policy = load_policy(config.model, saved)
    policy.model.to(accelerator.device).eval()
    for line in slow_precision(config, policy.model, device=accelerator.device.type):
        note(line)
    fit = partial(fit_problems, policy, template=template, training=True, say=note)
    if request.problem is not None or request.question is not None:  # it cannot be left out
        fit(problems[:1], config.model_copy(update={"prompt": config.prompt.model_copy(update={"too_long": "refuse"})}))
    problems = fit(problems, config)
    prompts = _distinct(
        make_prompts(problems, policy.tokenizer, template=template, max_prompt_tokens=config.prompt.max_tokens)
    )
    sampler: Sampler = make_sampler(config, policy, accelerator)
    if request.response is not None:
        row = given_rollout(policy, prompts[0], request.response, temperature=config.rollout.temperature)
        (logits,) = microscope.response_logits(policy.model, [row])
        log_probs = microscope.measure_tokens(logits, row, temperature=row.temperature).log_prob
        tempered = SamplingSettings(temperature=row.temperature)
        entropy, slope = entropy_and_slope(logits, torch.from_numpy(row.token_ids), tempered)
        row = replace(row, log_probs=log_probs.astype(np.float32), entropy=entropy.numpy(), entropy_slope=slope.numpy())
        sampler = _WithGiven(sampler, row)
    say(1, total, "sampling and judging")
    first = assemblies[request.rules[0]]
    with judge_of(config.verification) as judge:
        pipeline = make_pipeline(config, first, sampler, judge)
        recorded = replace(pipeline.settings, with_entropy=any(own.credit.needs_entropy for own in assemblies.values()))
        experience = replace(pipeline, settings=recorded, has_kinds=None).experience(
            prompts, seed=stream(config.run.seed, "explain"), policy_version=0
        )
    row_index, chosen_as = choose_rollout(experience, request)
    say(2, total, "reading the policy")
    bench = Bench.read(config, policy, experience, row_index, assemblies)
    bench = replace(bench, tells_kinds=request.question is None)
    steps: list[StepTaken] = []
    for rule, own in rules.items():
        done = 3 + 2 * len(steps)
        say(done, total, f"one step of {rule}")
        half = partial(say, done + 1, total, f"one step of {rule} on the batch")
        steps.append(bench.steps(rule, own, accelerator, half))
    say(total, total, "done")
    return bench.explanation(request, prompts, chosen_as, steps, name=name or config.model.name)


def _distinct(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Each prompt once, so that contexts and bootstrap units are those of one problem."""
    return list({prompt.token_ids.tobytes(): prompt for prompt in reversed(prompts)}.values())[::-1]


class _WithGiven:
    """Puts a response of the user's in the place of the first rollout of the first prompt."""

    def __init__(self, sampler: Sampler, given: Rollout) -> None:
        self._sampler = sampler
        self._given = given

    def sample(
        self,
        prompts: Sequence[Prompt],
        *,
        group_size: int,
        settings: SamplingSettings,
        seed: int,
        policy_version: int = 0,
    ) -> list[list[Rollout]]:
        groups = self._sampler.sample(
            prompts, group_size=group_size, settings=settings, seed=seed, policy_version=policy_version
        )
        return [[self._given, *groups[0][1:]], *groups[1:]]
