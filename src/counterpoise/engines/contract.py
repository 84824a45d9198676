"""What every engine owes to the credit: one fixed step, what the parts make of it, and in what an engine's own answer differs.

A driver owes five things:

1. Groups are whole, and every process has the credit of the whole batch: it computes with a `World`, or computes once for all.
2. Verdicts reach the credit: right, wrong and unscored are three values, and graded parts and kinds of task come along.
3. The divisor of an update is the denominator that was asked for, counted over that update's rollouts, padding left out.
4. Between rollout and update no other weight acts: each token has the weight, the loss the value, each parameter the gradient that
   the parts give (`answer_of`), to `TOLERANCE`.
5. After every update the sampler has the new weights: its log-probabilities are the trainer's, to `PARITY`.

`share_breaches` measures the first, `breaches` and `parity_gap` the last three. Whoever writes a driver for another engine can call them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from counterpoise.engines.outside import OutsideCredit, counted_rows, rewarded_batch, row_shares
from counterpoise.learner.forward import response_log_probs
from counterpoise.losses import counts, make_loss
from counterpoise.types import Batch, Loss, Rollout, StopReason

__all__ = [
    "PARITY",
    "PARITY_HALF",
    "TOLERANCE",
    "Answer",
    "FixedStep",
    "answer_of",
    "breaches",
    "fixed_step",
    "gradients",
    "parity_gap",
    "share_breaches",
]

TOLERANCE = 1e-6
"""Largest difference in a token's weight, in the loss and in the gradient, as a share of the largest weight, of 1 and of the
gradient's norm."""

PARITY = 1e-4
"""Largest difference of a token's log-probability between sampler and trainer, in nats. In float32 it is below 1e-5; a sampler that is
one update behind is off by some 1e-3."""

PARITY_HALF = 5e-2
"""Mean difference of the same where both compute in half precision, in nats a token: rounding was seen to be 0.009 to 0.018."""

_MARKS = "++--+---++++++++--------+-??-?--"
_REWARDS = {"+": 1.0, "-": 0.0, "?": None}
_SIZE = 8
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedStep:
    """N rollouts of one step with the verdict on each; rows of a group stand together."""

    prompts: Sequence[Sequence[int]]
    """(N,) ids of each prompt."""
    responses: Sequence[Sequence[int]]
    """(N,) ids of each response."""
    rewards: Sequence[float | None]
    """(N,) 1 right, 0 wrong, between them graded, None unscored."""
    groups: Sequence[int]
    """(N,) equal for rollouts of one prompt."""
    kinds: Sequence[str]
    """(N,) kind of task."""
    parts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By name of a graded part, (N,) values in [0, 1]."""

    @property
    def lengths(self) -> list[int]:
        """(N,) response tokens."""
        return [len(response) for response in self.responses]

    def rows(self, places: Sequence[int]) -> FixedStep:
        """Those rollouts alone, in this order, e.g. one process's share of the step."""

        def own(values: Sequence[_T]) -> list[_T]:
            return [values[place] for place in places]

        return FixedStep(
            prompts=own(self.prompts),
            responses=own(self.responses),
            rewards=own(self.rewards),
            groups=own(self.groups),
            kinds=own(self.kinds),
            parts={name: own(values) for name, values in self.parts.items()},
        )

    def rollouts(self, log_probs: torch.Tensor | None = None, entropy: torch.Tensor | None = None) -> list[Rollout]:
        """The rollouts as a sampler records them; (N, T) `log_probs` are 0 where they are not known yet."""
        return [
            Rollout(
                problem_id=str(self.groups[row]),
                prompt_ids=np.array(self.prompts[row], dtype=np.int64),
                token_ids=np.array(ids, dtype=np.int64),
                mask=np.ones(len(ids), dtype=np.bool_),
                log_probs=_own(log_probs, row, len(ids), otherwise=np.zeros(len(ids), dtype=np.float32)),
                text="",
                temperature=1.0,
                stop_reason=StopReason.LENGTH,
                policy_version=0,
                entropy=_own(entropy, row, len(ids), otherwise=None),
            )
            for row, ids in enumerate(self.responses)
        ]

    def batch(self, log_probs: torch.Tensor, entropy: torch.Tensor) -> Batch:
        """What the credit may know of it, (N, T) log-probabilities and entropies of the sampler included."""
        return rewarded_batch(
            torch.tensor([float("nan") if reward is None else reward for reward in self.rewards]),
            low=0.0,
            high=1.0,
            group_ids=torch.tensor(self.groups),
            lengths=torch.tensor(self.lengths),
            task_types=self.kinds,
            parts={name: torch.tensor(values, dtype=torch.float64) for name, values in self.parts.items()},
            surprisal=-log_probs.double().sum(dim=1),
            rollouts=self.rollouts(log_probs, entropy),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an engine makes of a step, before its optimiser acts."""

    weights: torch.Tensor
    """(N, T) what each token's surrogate is multiplied by in the update: its advantage over the denominator, 0 behind a response."""
    loss: float
    """The update's loss."""
    gradient: Mapping[str, torch.Tensor]
    """By parameter."""


def fixed_step(ids: Sequence[int], *, seed: int = 0) -> FixedStep:
    """Four groups of eight: a mixed one, one all right, one all wrong, one with three rollouts that nobody scored.

    Prompts have 2 to 5 tokens, responses 3 to 9; there are two kinds of task, and the graded parts `form` and `brief`.

    Args:
        ids: token ids that prompts and responses are drawn from; none of them may end a response.
        seed: of the drawing.
    """
    generator = np.random.default_rng(seed)

    def draw(length: int) -> list[int]:
        return [int(one) for one in generator.choice(np.array(ids), length)]

    groups = [row // _SIZE for row in range(len(_MARKS))]
    prompts = [draw(2 + group) for group in range(len(_MARKS) // _SIZE)]
    return FixedStep(
        prompts=[prompts[group] for group in groups],
        responses=[draw(3 + row % 7) for row in range(len(_MARKS))],
        rewards=[_REWARDS[mark] for mark in _MARKS],
        groups=groups,
        kinds=["ab"[group % 2] for group in groups],
        parts={
            "form": [float(row % 3 == 0) for row in range(len(_MARKS))],
            "brief": [row % 5 / 4 for row in range(len(_MARKS))],
        },
    )


def answer_of(
    model: nn.Module,
    step: FixedStep,
    parts: OutsideCredit,
    *,
    loss: Loss | None = None,
    shift: torch.Tensor | None = None,
) -> Answer:
    """What the parts make of the step: one credit, one loss, one division, one backward pass. The model keeps no gradient.

    Args:
        model: the policy.
        step: its rollouts.
        parts: rule, emphasis, controller, token weights and denominator.
        loss: the surrogate; None is `ppo_clip` as it stands.
        shift: (N, T) nats by which the log-probabilities that the ratio divides by are above the policy's; None is 0.
    """
    model.zero_grad()
    out = response_log_probs(model, step.rollouts(), temperature=1.0)
    known = out.log_probs.detach()
    batch = step.batch(known, out.entropy.detach())
    credit, _ = parts.step(batch)
    counted, _ = counted_rows(parts.step, credit, batch)
    span = known.shape[1]
    output = (make_loss("ppo_clip") if loss is None else loss)(
        log_probs=out.log_probs,
        old_log_probs=known if shift is None else known + shift,
        plus=credit.plus if credit.plus.ndim == 1 else credit.plus[:, :span],
        minus=credit.minus if credit.minus.ndim == 1 else credit.minus[:, :span],
        mask=out.mask & counted.unsqueeze(1),
    )
    rows = torch.nonzero(counted).flatten()
    total = parts.divide(output, counts(credit.rows(rows), batch.lengths[rows], batch.scored[rows]))
    torch.autograd.backward(total)
    gradient = gradients(model)
    model.zero_grad()
    advantages = credit.advantages if credit.advantages.ndim == 2 else credit.advantages.unsqueeze(1)
    shares = row_shares(parts.divide, credit, batch, counted).unsqueeze(1)
    return Answer(weights=advantages[:, :span] * shares * out.mask, loss=float(total.detach()), gradient=gradient)


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of each parameter's gradient, by name; whole, where it is sharded."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            whole: Any = parameter.grad
            found[name] = (whole.full_tensor() if hasattr(whole, "full_tensor") else whole).detach().clone()
    return found


def breaches(found: Answer, wanted: Answer, *, tolerance: float = TOLERANCE) -> list[str]:
    """In what an engine's answer differs from the parts', one line each; empty where it keeps the contract."""
    said = []
    if found.weights.shape[0] != wanted.weights.shape[0]:
        return [f"the engine answers for {len(found.weights)} rollouts of {len(wanted.weights)}"]
    span = max(found.weights.shape[1], wanted.weights.shape[1])
    own, theirs = (_wide(answer.weights.double(), span) for answer in (found, wanted))
    gap = (own - theirs).abs()
    if not float(gap.max()) <= tolerance * float(theirs.abs().max()):
        row, token = divmod(int(gap.nan_to_num(nan=torch.inf).argmax()), span)
        said.append(
            f"weights: token {token} of rollout {row} has {own[row, token].item():.6g}, and its credit over the denominator is "
            f"{theirs[row, token].item():.6g}"
        )
    if not abs(found.loss - wanted.loss) <= tolerance * max(1.0, abs(wanted.loss)):
        said.append(f"loss: {found.loss:.8g}, and it should be {wanted.loss:.8g}")
    if found.gradient.keys() != wanted.gradient.keys():
        missing = sorted(found.gradient.keys() ^ wanted.gradient.keys())
        said.append(f"gradient: one of the two has none for {', '.join(missing[:3])}")
    else:
        gaps, norm = (
            torch.stack([one.double().norm() for one in several]).norm()
            for several in (
                [found.gradient[name].double() - wanted.gradient[name].double() for name in wanted.gradient],
                list(wanted.gradient.values()),
            )
        )
        if not float(gaps) <= tolerance * float(norm):
            said.append(f"gradient: differs by {float(gaps):.3g}, and its norm should be {float(norm):.3g}")
    return said


def share_breaches(shares: Sequence[torch.Tensor], wanted: torch.Tensor, *, tolerance: float = TOLERANCE) -> list[str]:
    """In what the credit of processes that share a step differs from that of one that has all of it; a line for each process.

    A process that takes its own rollouts for all there are has other baselines, other shares of success and other denominators.

    Args:
        shares: of each process in order of rank, (N_r, ...) credit of its own rollouts, which are N in all.
        wanted: (N, ...) credit of the same rollouts in the same order, where one process has them all.
        tolerance: largest difference, as a share of the largest credit.
    """
    if sum(map(len, shares)) != len(wanted):
        return [f"the processes have credit for {sum(map(len, shares))} rollouts of {len(wanted)}"]
    said, first = [], 0
    whole = wanted.double().reshape(len(wanted), -1)
    for rank, share in enumerate(shares):
        own, theirs = share.double().reshape(len(share), whole.shape[1]), whole[first : first + len(share)]
        first += len(share)
        gap = (own - theirs).abs().nan_to_num(nan=torch.inf)
        bad = (gap > tolerance * float(whole.abs().max())).any(dim=1)
        if bool(bad.any()):
            row, token = divmod(int(gap.argmax()), whole.shape[1])
            said.append(
                f"process {rank}: {int(bad.sum())} of its {len(own)} rollouts have other credit; rollout {row} of them has "
                f"{own[row, token].item():.6g}, and with the rollouts of all {len(shares)} processes it is {theirs[row, token].item():.6g}"
            )
    return said


def parity_gap(sampler: torch.Tensor, trainer: torch.Tensor, mask: torch.Tensor) -> float:
    """Largest |log-probability of the sampler - of the trainer| over (N, T) tokens of the mask, in nats; more than `PARITY` means that
    the weights were not pushed, or that the two do not compute the same policy.
    """
    return float((sampler.double() - trainer.double())[mask.bool()].abs().max())


def _own(table: torch.Tensor | None, row: int, length: int, *, otherwise: Any) -> Any:
    return otherwise if table is None else table[row, :length].float().numpy()


def _wide(values: torch.Tensor, span: int) -> torch.Tensor:
    return torch.nn.functional.pad(values, (0, span - values.shape[1]))
