"""`advise` put together: a little sampling of the training problems at the training settings, judged, measured, and turned into advice."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from counterpoise.build.judge import judge_of
from counterpoise.build.problems import problems_of, task_and_template
from counterpoise.config import RunConfig
from counterpoise.config.credit import CreditConfig, LossConfig
from counterpoise.config.describe import toml_value
from counterpoise.diagnostics.advice.decide import advise as decide
from counterpoise.diagnostics.advice.leash import LEASH
from counterpoise.diagnostics.advice.profile import Budget, Plan, Profile
from counterpoise.diagnostics.advice.result import Advice
from counterpoise.diagnostics.advice.rules import SHARE
from counterpoise.diagnostics.advice.screen import Screen
from counterpoise.diagnostics.guards.narrowing import Narrowing
from counterpoise.engines.local.assemble import Assembly, assemble, make_sampler, sampling_settings
from counterpoise.engines.local.guarding import make_supervisor
from counterpoise.engines.local.held_out import narrowing_of
from counterpoise.engines.local.measured import with_precision
from counterpoise.engines.local.order import ProblemOrder
from counterpoise.engines.local.policy import load_policy
from counterpoise.engines.local.precision import slow_precision
from counterpoise.engines.local.room import fit_problems
from counterpoise.errors import ConfigError, DataError
from counterpoise.jobs import OnStage
from counterpoise.jobs.drawing import Drawing
from counterpoise.jobs.profile import STANDARD_RULES, Group, measure_profile
from counterpoise.jobs.screen import COOLINGS, screen_policy
from counterpoise.jobs.sizing import Pace, measure_pace
from counterpoise.processes import own_device, use_threads
from counterpoise.prompts import make_prompts
from counterpoise.rewards.response_parts import with_response_parts
from counterpoise.streams import stream
from counterpoise.types import Reward, Rollout, Sampler, Verdict

__all__ = ["Advised", "advise", "resized"]

_NEWS = 8
"""Parts that sampling is cut into, so that there is progress to show."""
_LONGEST = 60.0
"""Seconds that a batch of training's size may be expected to take, drawn for the sake of its pace alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """What was measured and what follows from it."""

    model: str
    """What was asked about."""
    task: str
    """Registry name of the task."""
    settings: Mapping[str, Any]
    """Sampling settings, problems, group size and seed."""
    profile: Profile
    """Over all problems."""
    kinds: Sequence[Profile]
    """By task type, where there is more than one."""
    plan: Plan
    """What the run file says."""
    advice: Advice
    """The advice."""
    reasons: Mapping[str, int]
    """Why rollouts are unscored, with how often."""
    screens: Sequence[Screen] = ()
    """What the policy has of each task type, where that was measured."""
    pace: Pace | None = None
    """What a response costs here, where it was measured."""


def advise(
    config: RunConfig,
    *,
    problems: int = 64,
    own_rule: bool = False,
    saved: Path | None = None,
    name: str | None = None,
    timed: bool = False,
    shots: int = 0,
    on_progress: OnStage | None = None,
    say_line: Callable[[str], None] | None = None,
) -> Advised:
    """Draw `rollout.group_size` responses for each of the first problems that training would see, and advise on them.

    Nothing is trained or kept. Unscored rollouts are counted, not refused, whatever their share.

    Args:
        config: of a run, or made for a model.
        problems: how many, of the training split, in the order and proportions of training.
        own_rule: whether `config.credit` was chosen by the user, so that it is judged too.
        saved: weights of a checkpoint; None takes `config.model`.
        name: what the model is called; None takes `config.model.name`.
        timed: measure the pace too, for which some of the responses are passed forward and backward once.
        shots: screen the task too, with so many worked examples (`jobs.screen`); 0 does not.
        on_progress: gets (rollouts drawn, rollouts wanted, what is known so far).
        say_line: gets a line about prompts that are left out, or leave little room.

    Raises:
        UnknownNameError, ConfigError: a rule, task or setting is not known.
        DataError: the training split is empty or malformed.
        ModelError: the model cannot be loaded.
        UsageError: a screen is asked for, and the task has no worked examples.
    """
    note = say_line or (lambda line: None)
    use_threads(config.run.threads)
    config = with_precision(config, own_device())
    # Without the test side, so that a task that has none can be advised on.
    assembly = assemble(config, problems_of(config, evaluates=False))
    accelerator = Accelerator(mixed_precision=config.learner.mixed_precision)
    policy = load_policy(config.model, saved, seed=config.run.seed)
    policy.model.to(accelerator.device).eval()
    for line in slow_precision(config, policy.model, device=accelerator.device.type):
        note(line)
    train = fit_problems(policy, assembly.train, config, template=assembly.template, training=True, say=note)
    assembly = replace(assembly, train=train)
    order = ProblemOrder(train, per_step=problems, seed=config.run.seed, weights=config.tasks.weights)
    chosen = list({problem.problem_id: problem for problem in order.at(0)}.values())
    prompts = make_prompts(
        chosen, policy.tokenizer, template=assembly.template, max_prompt_tokens=config.prompt.max_tokens
    )
    sampler: Sampler = make_sampler(config, policy, accelerator)
    size, seed, groups = config.rollout.group_size, config.run.seed, list[Group]()
    per_batch = max(1, min(config.rollout.max_rows // size, math.ceil(len(prompts) / _NEWS)))
    say = on_progress or (lambda done, total, text: None)
    total = len(prompts) * size * (1 + (2 * len(COOLINGS) if shots else 0))
    say(0, total, "")
    with judge_of(config.verification) as judge:
        drawing = Drawing(sampler=sampler, verify=judge.verify, settings=sampling_settings(config), group_size=size)
        for start in range(0, len(prompts), per_batch):
            begun = time.perf_counter()
            groups += drawing.groups(prompts[start : start + per_batch], seed=stream(seed, "advise", start))
            last = (time.perf_counter() - begun) / (len(prompts[start : start + per_batch]) * size)
            say(len(groups) * size, total, _so_far(groups))
        found = _advised(config, assembly, groups, policy.model.num_parameters(), own_rule, name or config.model.name)
        if shots:
            fit = partial(fit_problems, policy, config=config, training=True, say=note)
            screens = screen_policy(
                drawing,
                chosen,
                train,
                wording=assembly.template,
                tokenizer=policy.tokenizer,
                fit=lambda own, wording: fit(own, template=wording),
                shots=shots,
                seed=seed,
                confidence=config.evaluation.confidence,
                on_drawn=lambda done, _, text: say(len(prompts) * size + done, total, text),
            )
            say(total, total, "")
            found = replace(found, screens=screens)
        if not timed:
            return found
        # As many rows as a step draws together: many at a time cost less each.
        wanted = max(1, min(config.rollout.max_rows // size, config.rollout.prompts_per_step))
        if wanted > per_batch and wanted * size * last < _LONGEST:
            many = (prompts * math.ceil(wanted / len(prompts)))[:wanted]
            begun = time.perf_counter()
            drawing.groups(many, seed=stream(seed, "advise", len(prompts)))
            last = (time.perf_counter() - begun) / (wanted * size)
    drawn = [rollout for group in groups for rollout in group.rollouts]
    return replace(found, pace=measure_pace(policy, drawn, config, accelerator, draw=last))


def resized(found: Advised, *, steps: int, prompts: int) -> Advised:
    """The same measurements, advised on for a run of so many steps of so many prompts."""
    plan = replace(found.plan, steps=steps, prompts_per_step=prompts)
    return replace(found, plan=plan, advice=decide(found.profile, plan, kinds=found.kinds))


def _so_far(groups: Sequence[Group]) -> str:
    verdicts = [verdict for group in groups for verdict in group.verdicts]
    solved = sum(any(verdict.correct for verdict in group.verdicts) for group in groups)
    return f"{sum(verdict.correct for verdict in verdicts)} right, {solved} of {len(groups)} prompts with a success"


def _advised(
    config: RunConfig, assembly: Assembly, groups: Sequence[Group], parameters: int, own_rule: bool, name: str
) -> Advised:
    label = _label(config) if own_rule else None
    own = None
    if label is not None and label != SHARE and label not in STANDARD_RULES and assembly.critic is None:

        def reward(verdict: Verdict, rollout: Rollout) -> Reward:
            length = len(rollout.token_ids) / config.rollout.max_tokens
            return assembly.reward(with_response_parts(verdict, length=length))

        own = (label, lambda batch: assembly.credit(batch)[0], reward)
    confidence = config.evaluation.confidence
    profile = measure_profile("all", groups, seed=config.run.seed, confidence=confidence, own=own)
    kinds = _by_kind(config, groups)
    plan = _plan(config, assembly, parameters, label)
    sampling = sampling_settings(config)
    unscored = (verdict for group in groups for verdict in group.verdicts if not verdict.scored)
    return Advised(
        model=name,
        task=config.tasks.name,
        settings={
            "problems": len(groups),
            "group_size": config.rollout.group_size,
            "seed": config.run.seed,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "max_tokens": sampling.max_tokens,
            "template": str(assembly.template),
            "confidence": confidence,
        },
        profile=profile,
        kinds=tuple(kinds),
        plan=plan,
        advice=decide(profile, plan, kinds=kinds),
        reasons=dict(Counter(verdict.reason or "no reason given" for verdict in unscored)),
    )


def _by_kind(config: RunConfig, groups: Sequence[Group]) -> list[Profile]:
    """A profile of each task type, where there is more than one."""
    by_kind: dict[str, list[Group]] = {}
    for group in groups:
        by_kind.setdefault(group.problem.task_type, []).append(group)
    return [
        measure_profile(kind, by_kind[kind], seed=config.run.seed, confidence=config.evaluation.confidence)
        for kind in (sorted(by_kind) if len(by_kind) > 1 else ())
    ]


def _plan(config: RunConfig, assembly: Assembly, parameters: int, label: str | None) -> Plan:
    """What the run file says."""
    guard = narrowing_of(make_supervisor(config.guards))
    return Plan(
        parameters=parameters,
        adapters=config.model.lora.rank > 0,
        prompts_per_step=config.rollout.prompts_per_step,
        group_size=config.rollout.group_size,
        max_tokens=config.rollout.max_tokens,
        truncated_is=config.verification.truncated,
        learning_rate=config.learner.learning_rate,
        steps=config.learner.steps,
        guards_act=config.guards.act,
        controller=config.credit.controller,
        rule=label,
        credit_rule=config.credit.rule,
        problems=dict(Counter(problem.task_type for problem in assembly.train)),
        weights=config.tasks.weights,
        held_out=_held_out(config),
        guards=tuple(config.guards.names),
        budget=_budget(guard) if guard is not None and guard.finish and config.guards.act else None,
        kl=_own_kl(config),
        leashed=_is_leashed(config),
        kl_by_problem=bool(config.loss.kl_by_problem),
        beside=_beside(config),
    )


def _budget(guard: Narrowing) -> Budget:
    return Budget(
        drop=guard.drop, k=guard.k, problems=guard.problems, n=guard.n, every=guard.every, patience=guard.patience
    )


def _beside(config: RunConfig) -> dict[str, str]:
    """What the run file says of how credit is weighed besides rule, controller and filter, where that is not the default."""
    fields = CreditConfig.model_fields
    named = ("settings", "reward", "emphasis", "token_weights", "controller_settings", "all_wrong_cap")
    own = {key: getattr(config.credit, key) for key in named}
    return {
        key: toml_value(value)
        for key, value in own.items()
        if value != fields[key].get_default(call_default_factory=True)
    }


def _own_kl(config: RunConfig) -> float | None:
    """The KL that the run file names, 0 included; None where it does not, and where it names all there is, as that of a stored run."""
    named = config.loss.model_fields_set
    return config.loss.kl if config.loss.kl or ("kl" in named and named != set(LossConfig.model_fields)) else None


def _is_leashed(config: RunConfig) -> bool:
    """Whether it has the leash that was measured, all of it."""
    return not config.loss.kl_by_problem and all(attrgetter(key)(config) == value for key, (value, _) in LEASH.items())


def _held_out(config: RunConfig) -> int:
    """Test problems of the task; 0 where it has none that can be read, for advice does without them."""
    try:
        return len(task_and_template(config)[0].problems("test"))
    except (DataError, ConfigError):
        return 0


def _label(config: RunConfig) -> str:
    """What the run file's rule is called in tables: `share`, a standard rule's name, or name and controller."""
    credit = config.credit
    if credit.controller == SHARE:
        return SHARE
    name = credit.rule
    if name == "weighted_reinforce":
        name = f"{name}({credit.settings.get('lambda', 0.1):g})"
    return name if credit.controller == "constant" else f"{name} under {credit.controller}"
