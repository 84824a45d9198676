"""Credit of rollouts that another engine sampled and rewarded: its shapes become a batch, and our divisor becomes weights of its rows.

Adapters share what is here. None of it is a formula: rules, emphases and controllers are `credit`, divisors are `losses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from counterpoise.build.credit import credit_of
from counterpoise.build.loss import loss_of
from counterpoise.config import RunConfig
from counterpoise.credit import CreditStep, Needs, needs_of
from counterpoise.credit.token_weights import TokenContext
from counterpoise.errors import ConfigError, DataError, UsageError
from counterpoise.losses import counts
from counterpoise.pipeline import graded_parts
from counterpoise.rewards.response_parts import with_response_parts
from counterpoise.rewards.vector import VERDICT
from counterpoise.runfile import parse_config
from counterpoise.types import Batch, Credit, Divide, LossOutput, Reward, Rollout, Sum, Verdict

__all__ = [
    "OutsideCredit",
    "compose",
    "counted_rows",
    "rewarded_batch",
    "rollout_columns",
    "row_shares",
    "with_verdicts",
]

_NEAR = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideCredit:
    """What an adapter needs of the parts that a user named."""

    config: RunConfig
    """The run file that they make, defaults included."""
    step: CreditStep
    """Batch -> credit and its columns."""
    divide: Divide
    """What an update's sum is divided by."""

    @property
    def needs_surprisal(self) -> bool:
        """Whether the rule or the controller reads `Batch.surprisal`."""
        # A controller of somebody's own that does not say may read it.
        reads = getattr(self.step.controller, "reads_entropy", True)
        return reads or bool(needs_of(self.config.credit.rule) & Needs.SURPRISAL)


def compose(
    credit: str | Mapping[str, Any],
    *,
    engine: str,
    steps: int,
    length: int,
    denominator: str | None = None,
    kinds: Sequence[str] = (),
    token_weights: bool = False,
    verdicts: bool = False,
    terms: bool = False,
) -> OutsideCredit:
    """The parts that `credit` names, checked as a run file is.

    Args:
        credit: the name of a rule, or the table `[credit]` of a run file: `{"rule": "grpo", "emphasis": "focal"}`.
        engine: the engine's name, for messages.
        steps: training steps, which schedules follow.
        length: response tokens at most, for the denominator `constant`.
        denominator: a name of `losses.DENOMINATORS`; None is the default of a run file.
        kinds: task types of the training problems.
        token_weights: the engine hands over the sampler's log-probabilities of every token.
        verdicts: the engine hands over verdicts of our verifiers, of which `reward` makes rewards.
        terms: the loss has a KL or entropy term, so that rows without credit have a gradient.

    Raises:
        ConfigError, UnknownNameError: a name or a setting is unknown, out of range, or says what another one has said.
        UsageError: the engine cannot give what the rule needs.
    """
    if not isinstance(credit, (str, Mapping)):
        raise ConfigError(f"credit={credit!r}: give the name of a rule, or a table such as {{'rule': 'nsr'}}")
    table = {"rule": credit} if isinstance(credit, str) else dict(credit)
    tables: dict[str, Any] = {
        "credit": table,
        "learner": {"steps": max(1, steps)},
        "rollout": {"max_tokens": length},
        "loss": {} if denominator is None else {"denominator": denominator},
    }
    config = parse_config(tables, source="credit")
    if needs_of(config.credit.rule) & Needs.CRITIC:
        raise UsageError(
            f"credit.rule={config.credit.rule} needs a critic, and {engine} trains none; "
            "take a rule without one (counterpoise list rules), or train with the local engine"
        )
    if config.credit.token_weights != "none" and not token_weights:
        raise UsageError(
            f"credit.token_weights={config.credit.token_weights} reads the sampler's log-probabilities of every token, which {engine} "
            "does not hand over; leave it at none, or train with the local engine"
        )
    if config.credit.reward == "random":
        raise UsageError(
            f"credit.reward=random draws a placebo where rewards are made, and {engine} makes its own; give it a random reward function, "
            "or train with the local engine"
        )
    if config.credit.reward != RunConfig().credit.reward and not verdicts:
        raise UsageError(
            f"credit.reward={config.credit.reward} is what a verdict of ours is worth, and {engine} gets numbers from its reward "
            "functions; leave it out and say what is wrong and right with reward_range, or train with the local engine or in verl"
        )
    _, divide = loss_of(config)
    step = credit_of(config, kinds=kinds, terms=terms)
    if token_weights:
        _refuse_unrecorded(step, config, engine)
    return OutsideCredit(config=config, step=step, divide=divide)


def _refuse_unrecorded(step: CreditStep, config: RunConfig, engine: str) -> None:
    """Token weights say what they lack when they are called, so they are, with what an engine has recorded of two tokens."""
    yes, tokens = torch.tensor([True, False]), torch.zeros((2, 1))
    try:
        step.token_weight(
            TokenContext(
                log_probs=tokens - 1.0,
                mask=torch.ones_like(tokens, dtype=torch.bool),
                token_ids=tokens.long(),
                group_ids=torch.zeros(2, dtype=torch.int64),
                correct=yes,
                scored=torch.ones_like(yes),
                entropy=tokens + 1.0,
            )
        )
    except UsageError as error:
        raise UsageError(
            f"credit.token_weights={config.credit.token_weights} reads more than the log-probability and the entropy of each token, and "
            f"{engine} hands over no more; take other weights (counterpoise list token-weights), or train with the local engine"
        ) from error


def rewarded_batch(
    rewards: torch.Tensor,
    *,
    low: float,
    high: float,
    group_ids: torch.Tensor,
    lengths: torch.Tensor,
    task_types: Sequence[str] | None = None,
    parts: Mapping[str, torch.Tensor] | None = None,
    surprisal: torch.Tensor | None = None,
    rollouts: Sequence[Rollout] = (),
    range_option: str = "reward_range=(wrong, right)",
    unscored_option: str = "None",
) -> Batch:
    """The batch of N rollouts with the rewards that an outside engine gave them.

    Args:
        rewards: (N,) in [low, high]; NaN is unscored. `high` and nothing less is right.
        low: reward of a wrong response.
        high: reward of a right one.
        group_ids: (N,) int64, equal for rollouts of one prompt.
        lengths: (N,) int64 tokens that are trained on; a rollout without any (padding, or cut off and masked) is unscored.
        task_types: (N,) kinds of tasks; None is one kind.
        parts: graded parts by name, (N,) in [0, 1], NaN where a rollout has not got it. The part `verdict` is made here: 1 where right,
            0 where not.
        surprisal: (N,) sum of -log p of each response's tokens, in nats.
        rollouts: (N,) records of their tokens, which token weights read.
        range_option: how the range is said to the engine.
        unscored_option: how a reward function says that nobody could score a response.

    Raises:
        DataError: a reward is infinite or outside the range, or a part is infinite.
    """
    rewards = rewards.double()
    scored = ~torch.isnan(rewards) & (lengths > 0)
    span = high - low
    outside = scored & ~((rewards >= low - _NEAR * span) & (rewards <= high + _NEAR * span))
    if bool(outside.any()):
        first = int(torch.nonzero(outside)[0])
        raise DataError(
            f"rollout {first} of the batch has reward {rewards[first].item():g}, and rewards were said to lie in [{low:g}, {high:g}]; "
            f"give their range with {range_option}, or {unscored_option} for a response that nobody scored"
        )
    for name, values in (parts or {}).items():
        if bool(values.isinf().any()):
            first = int(torch.nonzero(values.isinf())[0])
            raise DataError(
                f"rollout {first} of the batch has {values[first].item():g} as its part {name!r}; give a finite number, or "
                f"{unscored_option} for a response that nobody scored"
            )
    unit = ((rewards - low) / span).clamp(0.0, 1.0)
    correct = scored & (unit >= 1.0 - _NEAR)
    verdict = torch.where(scored, correct.double(), torch.nan)
    return Batch(
        rewards=torch.where(scored, 2.0 * unit - 1.0, torch.nan),
        correct=correct,
        scored=scored,
        group_ids=group_ids,
        lengths=lengths,
        task_types=["all"] * len(rewards) if task_types is None else list(task_types),
        surprisal=surprisal,
        rollouts=rollouts,
        parts={VERDICT: verdict} | {name: values.double() for name, values in (parts or {}).items()},
    )


def with_verdicts(
    batch: Batch, verdicts: Sequence[Verdict], reward: Callable[[Verdict], Reward], *, limit: int
) -> Batch:
    """The batch with what our verifiers said of its N rollouts in the place of an engine's numbers.

    Args:
        batch: the rollouts; one without tokens stays unscored.
        verdicts: (N,) their verdicts.
        reward: what a verdict is worth (`credit.reward`).
        limit: response tokens at most, which the part `brevity` is measured by.
    """
    lengths = batch.lengths.tolist()
    with_parts = [
        with_response_parts(verdict, length=min(1.0, length / limit))
        for verdict, length in zip(verdicts, lengths, strict=True)
    ]
    rewards = [reward(verdict) for verdict in with_parts]
    scored = torch.tensor([verdict.scored for verdict in verdicts]) & (batch.lengths > 0)
    values = torch.tensor([own.value for own in rewards], dtype=torch.float64)
    return replace(
        batch,
        rewards=torch.where(scored, values, torch.nan),
        correct=scored & torch.tensor([verdict.correct for verdict in verdicts]),
        scored=scored,
        parts=graded_parts(with_parts, rewards),
    )


def rollout_columns(batch: Batch) -> dict[str, Sum]:
    """What the local engine says of a step's rollouts and an outside one does not, or in other units.

    `reward` (as the rule gets it, over scored rollouts), and with the suffixes `_correct` and `_wrong` `response_tokens` and, where the
    surprisal is known, `entropy_sampled`, which has no suffix for all rollouts.
    """
    rows = {
        "": torch.ones_like(batch.scored),
        "_correct": batch.scored & batch.correct,
        "_wrong": batch.scored & ~batch.correct,
    }
    columns = {"reward": Sum(total=float(batch.rewards[batch.scored].sum()), count=int(batch.scored.sum()))}
    for suffix, own in rows.items():
        tokens = int(batch.lengths[own].sum())
        if suffix:
            columns[f"response_tokens{suffix}"] = Sum(total=tokens, count=int(own.sum()))
        if batch.surprisal is not None:
            columns[f"entropy_sampled{suffix}"] = Sum(total=float(batch.surprisal[own].sum()), count=tokens)
    return columns


def counted_rows(step: CreditStep, credit: Credit, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) bool rows that count in denominators, and (N,) bool those of them that are trained on (`CreditStep.select`)."""
    rows, trained = step.select(batch, credit)
    count, live = torch.zeros(len(batch.lengths), dtype=torch.bool), torch.zeros(len(batch.lengths), dtype=torch.bool)
    count[rows], live[rows] = True, trained
    return count, live


def row_shares(divide: Divide, credit: Credit, batch: Batch, counted: torch.Tensor) -> torch.Tensor:
    """(N,) float64: what a token loss of each row counts for in the loss of the whole batch; 0 everywhere where nothing has credit.

    A denominator is linear in the rows' sums, so this is its derivative, and an engine that divides by M has our denominator when it
    multiplies each row's advantage by M times its share. Rows outside `counted` (N,) bool are in no denominator and have share 0.
    """
    index = torch.nonzero(counted).flatten()
    credit, batch = credit.rows(index), batch.rows(index)
    shares = torch.zeros(len(counted), dtype=torch.float64)
    if not bool((credit.nonzero_rows & batch.scored).any()):
        return shares
    sums = torch.zeros(len(index), dtype=torch.float64, requires_grad=True)
    output = LossOutput(row_sums=sums, lengths=batch.lengths, metrics={})
    (shares[index],) = torch.autograd.grad(divide(output, counts(credit, batch.lengths, batch.scored)), sums)
    return shares
