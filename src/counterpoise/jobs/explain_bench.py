"""The batch that `explain` looks at: read once before any step, then once after each rule's step on a copy of the policy."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from counterpoise.config import RunConfig
from counterpoise.diagnostics import microscope
from counterpoise.diagnostics.explanation import Explanation, Fit, KindMove, Member, Quadrant, RuleStep, TokenView
from counterpoise.diagnostics.kind_moves import KindTable, kind_moves
from counterpoise.diagnostics.microscope import Contexts, TokenMeasures
from counterpoise.diagnostics.quadrants import Floats, TokenTable, quadrants
from counterpoise.engines.local.assemble import Assembly, make_learner
from counterpoise.engines.local.learning import kl_weights
from counterpoise.engines.local.policy import Policy
from counterpoise.jobs.explain_request import Request
from counterpoise.losses import counts, make_loss
from counterpoise.pipeline import Experience
from counterpoise.streams import numpy_generator
from counterpoise.types import Credit, Divide, Prompt, Rollout

__all__ = ["Bench", "StepTaken", "token_pushes"]

CONFIDENT = 0.5
"""A token that is more likely than this is the likeliest one."""
FORKING = 0.8
"""Quantile of the entropy above which a token counts as unsure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCredit:
    """One rule's credit on the batch, before any step."""

    assembly: Assembly
    """Stages of a run with this rule."""
    credit: Credit
    """(N,) signed credit."""
    pushes: Sequence[Floats]
    """(T,) signed credit of each rollout's tokens."""
    contexts: Contexts
    """Where those pushes meet."""
    slopes: Sequence[tuple[Floats, Floats]]
    """(T,) first-order changes of log-probability and entropy of each rollout's tokens, for a logit step of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken:
    """What one rule did."""

    record: RuleStep
    """Both steps of the rule, on the group and on the batch."""
    logits: torch.Tensor
    """(T, V) of the explained rollout after the step on its group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The batch under the microscope."""

    config: RunConfig
    """What was asked for; each rule has its own version of it."""
    policy: Policy
    """Never changed."""
    experience: Experience
    """N judged rollouts."""
    row: int
    """The explained one."""
    group: Sequence[int]
    """Rows of its group."""
    logits: torch.Tensor
    """(T, V) of the explained one before any step."""
    measures: Sequence[TokenMeasures]
    """(N,) before any step."""
    rules: Mapping[str, RuleCredit]
    """By name, in the order asked for."""
    tells_kinds: bool = True
    """Whether the task may be asked for kinds: a question of the user's is none of its problems."""

    @classmethod
    def read(
        cls, config: RunConfig, policy: Policy, experience: Experience, row: int, assemblies: Mapping[str, Assembly]
    ) -> Bench:
        """Look at every rollout once under the policy as it is, and credit it by every rule."""
        batch, rollouts = experience.batch, experience.batch.rollouts
        temperature = config.rollout.temperature
        credits = {rule: assembly.credit(batch)[0] for rule, assembly in assemblies.items()}
        pushes = {
            rule: token_pushes(config, assemblies[rule].divide, rollouts, credit, batch.scored)
            for rule, credit in credits.items()
        }
        contexts = {rule: Contexts(rollouts, own, batch.correct.tolist()) for rule, own in pushes.items()}
        slopes: dict[str, list[tuple[Floats, Floats]]] = {rule: [] for rule in assemblies}
        measures, kept = [], torch.empty(0)
        for index, logits in enumerate(microscope.response_logits(policy.model, rollouts)):
            measures.append(microscope.measure_tokens(logits, rollouts[index], temperature=temperature))
            for rule, own in slopes.items():
                own.append(microscope.slopes(logits, rollouts[index], contexts[rule], temperature=temperature))
            kept = logits if index == row else kept
        return cls(
            config=config,
            policy=policy,
            experience=experience,
            row=row,
            group=torch.nonzero(batch.group_ids == batch.group_ids[row]).flatten().tolist(),
            logits=kept,
            measures=measures,
            rules={
                rule: RuleCredit(
                    assembly=assembly,
                    credit=credits[rule],
                    pushes=pushes[rule],
                    contexts=contexts[rule],
                    slopes=slopes[rule],
                )
                for rule, assembly in assemblies.items()
            },
        )

    def steps(self, rule: str, config: RunConfig, accelerator: Accelerator, half: Callable[[], None]) -> StepTaken:
        """One step on the group and, where the batch is more than that, one on the batch."""
        own, everything = self.rules[rule], list(range(len(self.experience.batch.rollouts)))
        norm, after, logits = self._step(own, config, accelerator, self.group)
        half()
        batch_norm, batch_after = norm, after
        if len(self.group) < len(everything):
            batch_norm, batch_after, _ = self._step(own, config, accelerator, everything)
        batch_fit = None if math.isnan(batch_norm) else self._fit(own, everything, batch_after)
        by_probability, by_entropy = self._quadrants(own, batch_after, batch_fit)
        credit = own.credit.advantages
        advantages = credit if credit.ndim == 1 else credit.sum(dim=1) / self.experience.batch.lengths
        return StepTaken(
            logits=logits,
            record=RuleStep(
                rule=rule,
                advantage=float(advantages[self.row]),
                group_advantages=tuple(advantages[self.group].tolist()),
                gradient_norm=norm,
                fit=None if math.isnan(norm) else self._fit(own, self.group, after),
                batch_gradient_norm=batch_norm,
                batch_fit=batch_fit,
                quadrants=by_probability,
                quadrants_by_entropy=by_entropy,
                kinds=() if math.isnan(batch_norm) else self._kinds(own, batch_after),
            ),
        )

    def _step(
        self, own: RuleCredit, config: RunConfig, accelerator: Accelerator, rows: Sequence[int]
    ) -> tuple[float, list[TokenMeasures], torch.Tensor]:
        """(gradient norm, measures of the rows after it, logits of the explained rollout); NaN and no change without credit."""
        batch, credit = self.experience.batch.rows(torch.tensor(rows)), own.credit.rows(torch.tensor(rows))
        if not bool(credit.nonzero.any()):
            return math.nan, [self.measures[row] for row in rows], self.logits
        trained = Policy(model=copy.deepcopy(self.policy.model), tokenizer=self.policy.tokenizer)
        learner = make_learner(config, trained, own.assembly, accelerator)
        kept, live = own.assembly.credit.select(batch, credit)
        trained_on = batch.rows(kept)
        report = learner.update(
            trained_on.rollouts,
            credit.rows(kept),
            trained_on.scored,
            trained_on.group_ids.numpy(),
            seed=0,
            trained=live,
            kl_weights=kl_weights(config, batch, kept),
        )
        trained.model.eval()
        measures, logits = [], self.logits
        for index, found in enumerate(microscope.response_logits(trained.model, batch.rollouts)):
            measures.append(
                microscope.measure_tokens(found, batch.rollouts[index], temperature=self.config.rollout.temperature)
            )
            logits = found if rows[index] == self.row else logits
        return report.metrics["gradient_norm"].mean, measures, logits

    def _fit(self, own: RuleCredit, rows: Sequence[int], after: Sequence[TokenMeasures]) -> Fit:
        realised = [later.log_prob - self.measures[row].log_prob for row, later in zip(rows, after, strict=True)]
        return microscope.fit(np.concatenate([own.slopes[row][0] for row in rows]), np.concatenate(realised))

    def _quadrants(
        self, own: RuleCredit, after: Sequence[TokenMeasures], fitted: Fit | None
    ) -> tuple[tuple[Quadrant, ...], ...]:
        """Split by probability, and by entropy; rollouts without a verdict are left out."""
        batch, eta = self.experience.batch, math.nan if fitted is None else fitted.step
        scored = torch.nonzero(batch.scored).flatten().tolist()

        def column(values: Callable[[int], Floats]) -> Floats:
            return np.concatenate([values(row) for row in scored])

        def repeated(value: torch.Tensor) -> Any:
            return np.concatenate([np.full(len(self.measures[row].entropy), value[row].item()) for row in scored])

        table = TokenTable(
            problem=repeated(batch.group_ids),
            right=repeated(batch.correct),
            credit=column(lambda row: own.pushes[row]),
            log_prob=column(lambda row: self.measures[row].log_prob),
            entropy=column(lambda row: self.measures[row].entropy),
            log_prob_change=column(lambda row: after[row].log_prob - self.measures[row].log_prob),
            entropy_change=column(lambda row: after[row].entropy - self.measures[row].entropy),
            predicted_log_prob_change=column(lambda row: eta * own.slopes[row][0]),
            predicted_entropy_change=column(lambda row: eta * own.slopes[row][1]),
        )
        sure = table.log_prob >= math.log(CONFIDENT), table.entropy <= self.entropy_threshold()
        generator = numpy_generator(self.config.run.seed, "explain", "bootstrap")
        return tuple(quadrants(table, confident=flags, generator=generator) for flags in sure)

    def _kinds(self, own: RuleCredit, after: Sequence[TokenMeasures]) -> tuple[KindMove, ...]:
        """What the step did to right rollouts of each kind; nothing where the task has no kinds."""
        task = own.assembly.has_kinds
        if task is None or not self.tells_kinds:
            return ()
        batch, asked = self.experience.batch, self.experience.prompts
        scored = torch.nonzero(batch.scored).flatten().tolist()
        table = KindTable(
            problem=batch.group_ids[scored].tolist(),
            right=batch.correct[scored].tolist(),
            kind=[task.kind_of(asked[row].problem, asked[row].prefix + batch.rollouts[row].text) for row in scored],
            token_ids=[batch.rollouts[row].token_ids for row in scored],
            log_prob_change=[after[row].log_prob - self.measures[row].log_prob for row in scored],
        )
        return kind_moves(table, generator=numpy_generator(self.config.run.seed, "explain", "kinds"))

    def entropy_threshold(self) -> float:
        """The 80% quantile of the entropy over the batch's tokens: the rest are the forking tokens of arXiv 2506.01939."""
        return float(np.quantile(np.concatenate([measures.entropy for measures in self.measures]), FORKING))

    def explanation(
        self, request: Request, prompts: Sequence[Prompt], chosen_as: str, steps: Sequence[StepTaken], *, name: str
    ) -> Explanation:
        """Everything as records."""
        experience, config = self.experience, self.config
        verdict, prompt = experience.verdicts[self.row], prompts[int(experience.batch.group_ids[self.row])]
        problem = prompt.problem
        return Explanation(
            model=name,
            task=config.tasks.name,
            problem_id=problem.problem_id,
            question=problem.question,
            gold=problem.gold,
            prompt=prompt.text,
            response=experience.batch.rollouts[self.row].text,
            given=request.response is not None,
            verdict=verdict.value.value,
            answer=verdict.answer,
            chosen_as=chosen_as,
            group=tuple(
                Member(
                    text=experience.batch.rollouts[row].text,
                    verdict=experience.verdicts[row].value.value,
                    log_prob=float(self.measures[row].log_prob.sum()),
                )
                for row in self.group
            ),
            position=self.group.index(self.row),
            tokens=self._tokens(request, steps),
            rules=tuple(step.record for step in steps),
            problems=len(prompts),
            rollouts=int(experience.batch.scored.sum()),
            confident_probability=CONFIDENT,
            confident_entropy=self.entropy_threshold(),
            settings={
                "temperature": config.rollout.temperature,
                "group_size": config.rollout.group_size,
                "learning_rate": config.learner.learning_rate,
                "optimiser": f"AdamW, fresh, betas {config.learner.betas}, gradient clip {config.learner.gradient_clip}",
                "loss": config.loss.name,
                "denominator": config.loss.denominator,
                "kl": config.loss.kl,
                "kl_estimator": config.loss.kl_estimator,
                "kl_focus": config.loss.kl_focus,
                "entropy": config.loss.entropy,
                "seed": config.run.seed,
            },
        )

    def _tokens(self, request: Request, steps: Sequence[StepTaken]) -> tuple[TokenView, ...]:
        rollout, temperature = self.experience.batch.rollouts[self.row], self.config.rollout.temperature
        tokenizer = self.policy.tokenizer

        def text(token: int) -> str:
            return str(tokenizer.decode([token])) or str(tokenizer.convert_ids_to_tokens(token))

        visitors = next(iter(self.rules.values())).contexts.visitors(rollout)
        views = []
        for index, chosen in enumerate(rollout.token_ids.tolist()):
            moves = [
                microscope.move(
                    rule=step.record.rule,
                    before=self.logits[index],
                    after=step.logits[index],
                    chosen=chosen,
                    credit=float(own.pushes[self.row][index]),
                    push=own.contexts.push(rollout, self.logits.shape[1], index, index + 1)[0],
                    step=step.record.fit.step if step.record.fit is not None else math.nan,
                    temperature=temperature,
                    decode=text,
                    top=request.alternatives,
                )
                for step, own in zip(steps, self.rules.values(), strict=True)
            ]
            views.append(
                microscope.view(
                    index=index,
                    before=self.logits[index],
                    chosen=chosen,
                    text=text(chosen),
                    visitors=visitors[index],
                    moves=moves,
                    temperature=temperature,
                )
            )
        return tuple(views)


def token_pushes(
    config: RunConfig, divide: Divide, rollouts: Sequence[Rollout], credit: Credit, scored: torch.Tensor
) -> list[Floats]:
    """Signed credit of every token: minus the derivative of the divided loss by its log-probability at ratio 1, in the rule's unit.

    This is what the learner backpropagates into the logits, whatever loss and denominator; KL and entropy terms are left out. The
    unit (mean |credit| over tokens that have any) is that of the rule's advantages, so that `tokens_…` denominators give just those.

    Args:
        config: whose loss is taken.
        divide: its denominator.
        rollouts: N.
        credit: (N,) or (N, T).
        scored: (N,) bool.

    Returns:
        (T,) credit of each rollout's tokens.
    """
    lengths = [len(rollout.token_ids) for rollout in rollouts]
    if not bool(credit.nonzero.any()):
        return [np.zeros(length) for length in lengths]
    mask = torch.zeros(len(rollouts), max(lengths), dtype=torch.bool)
    log_probs = torch.zeros(mask.shape)
    for index, rollout in enumerate(rollouts):
        mask[index, : lengths[index]] = torch.from_numpy(rollout.mask)
        log_probs[index, : lengths[index]] = torch.from_numpy(rollout.log_probs)
    leaf = log_probs.clone().requires_grad_()
    surrogate = make_loss(config.loss.name, **config.loss.settings)
    output = surrogate(log_probs=leaf, old_log_probs=log_probs, plus=credit.plus, minus=credit.minus, mask=mask)
    (slope,) = torch.autograd.grad(divide(output, counts(credit, mask.sum(dim=1), scored)), leaf)
    advantages = credit.advantages if credit.advantages.ndim == 2 else credit.advantages[:, None].expand(mask.shape)
    wanted, found = advantages.double().abs()[mask].sum(), slope.double().abs()[mask].sum()
    pushes = -slope.double() * (wanted / found)
    return [pushes[index, :length].numpy() for index, length in enumerate(lengths)]
