"""The critic: a linear head that reads the value of every token's state off a trunk, and learns the returns."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from counterpoise.errors import CheckpointError, TrainingError
from counterpoise.learner.batches import Part, pad_rows
from counterpoise.learner.dealing import make_deck
from counterpoise.learner.forward import causal_model, evaluating, updating
from counterpoise.learner.gradients import broadcast_parameters, clip_gradients, gather, sum_gradients
from counterpoise.learner.optimiser import make_optimiser, trainable_parameters
from counterpoise.learner.report import UpdateSums
from counterpoise.learner.schedules import learning_rate
from counterpoise.learner.settings import LearnerSettings
from counterpoise.learner.shared import dropless
from counterpoise.learner.states import parts_of, predicting_states, proven_operators, proven_window
from counterpoise.types import Counts, Divide, LossOutput, Rollout, StopReason, Sum

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Critic", "Trunk", "Values"]

Trunk = Literal["separate", "policy"]
"""A copy of the policy's decoder that is trained with the head; or the policy's own, which the value loss leaves alone."""


class _ValueLoss(Protocol):
    def __call__(
        self, *, values: torch.Tensor, old_values: torch.Tensor, returns: torch.Tensor, mask: torch.Tensor
    ) -> LossOutput:
        """(B, T) values with gradient, those before the update and the returns without, bool mask -> undivided sums."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What the critic thinks of N rollouts of at most T tokens; on the CPU, zero outside the mask."""

    tokens: torch.Tensor
    """(N, T) float32 value of the state in which each token was chosen."""
    after: torch.Tensor
    """(N,) float32 value of the state after the last token of a truncated response, 0 for all others (and where not asked for)."""
    mask: torch.Tensor
    """(N, T) bool tokens the policy chose."""


class Critic:
    """AdamW on the squared error between values and returns, beside the policy's optimiser and in mini-batches dealt as the policy's are.

    The head starts at zero: before its first update every value is 0 and PPO's advantage is the return. `trunk="separate"` copies the
    policy's decoder (with adapters the copy trains its adapters); `trunk="policy"` trains the head alone on the policy's hidden states,
    so that the value loss never moves the policy and no second trunk is held.
    """

    def __init__(
        self,
        policy: nn.Module,
        *,
        trunk: Trunk,
        accelerator: Accelerator,
        settings: LearnerSettings,
        loss: _ValueLoss,
        divide: Divide,
    ) -> None:
        """Make the head, copy the trunk if it is to be separate, and make the optimiser.

        Args:
            policy: causal language model, wrapped by PEFT or not.
            trunk: where the head reads.
            accelerator: device, precision and processes.
            settings: rate, clipping, mini-batches, epochs; its terms for policies are not read.
            loss: undivided value loss.
            divide: the one division; every count it gets is that of the scored rows.
        """
        model = causal_model(policy)
        decoder = model.get_decoder()
        self._decoder = copy.deepcopy(decoder) if trunk == "separate" else decoder
        width = model.get_output_embeddings().weight.shape[1]
        # skip_init: the usual initialisation would draw from the global stream
        self._head: nn.Linear = nn.utils.skip_init(nn.Linear, width, 1, dtype=torch.float32)  # type: ignore[no-untyped-call]
        nn.init.zeros_(self._head.weight)
        nn.init.zeros_(self._head.bias)
        self._head.to(accelerator.device)
        self._decoder.to(accelerator.device)
        with evaluating(self._decoder):
            self._window = proven_window(self._decoder) if settings.share_prompts else None
            self._operators = proven_operators(
                self._decoder, model.get_output_embeddings(), settings.compiled, shared=self._window is not None
            )
        self._trains_trunk = trunk == "separate"
        self._accelerator = accelerator
        self._processes = int(accelerator.num_processes)
        self._settings = settings
        self._loss = loss
        self._divide = divide
        own = trainable_parameters(self._decoder) if self._trains_trunk else []
        self._parameters = [*own, *self._head.parameters()]
        broadcast_parameters(self._parameters, self._processes)
        self._optimiser = make_optimiser(self._parameters, settings)
        self._updates = 0
        self._batches = 0

    @property
    def batches(self) -> int:
        """Calls of `update` so far."""
        return self._batches

    def state_dict(self) -> dict[str, Any]:
        """Trained parameters, optimiser moments and counters."""
        return {
            "parameters": [parameter.detach().clone() for parameter in self._parameters],
            "optimiser": self._optimiser.state_dict(),
            "updates": self._updates,
            "batches": self._batches,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, bit for bit.

        Raises:
            CheckpointError: the state is of another critic.
        """
        try:
            with torch.no_grad():
                for parameter, saved in zip(self._parameters, state["parameters"], strict=True):
                    if parameter.shape != saved.shape:
                        raise ValueError(f"shape {tuple(saved.shape)} for a parameter of {tuple(parameter.shape)}")
                    parameter.copy_(saved)
            self._optimiser.load_state_dict(state["optimiser"])
            self._updates, self._batches = int(state["updates"]), int(state["batches"])
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"the saved critic does not fit this one ({error}); resume with the critic.trunk and the model that the checkpoint "
                "was written with"
            ) from error

    @torch.no_grad()
    def values(self, rollouts: Sequence[Rollout], *, after_truncated: bool = False) -> Values:
        """Values of every token's state, and of the state after truncated responses where that is asked for."""
        cut = [after_truncated and rollout.stop_reason is StopReason.LENGTH for rollout in rollouts]
        read = [_one_further(rollout) if more else rollout for rollout, more in zip(rollouts, cut, strict=True)]
        lengths = [len(rollout.token_ids) for rollout in rollouts]
        span = max(lengths, default=0)
        tokens, after = torch.zeros(len(rollouts), span + 1), torch.zeros(len(rollouts))
        mask = torch.zeros(len(rollouts), span, dtype=torch.bool)
        with evaluating(self._decoder, self._settings.products, self._operators):
            for part in self._parts(read, np.arange(len(read))):
                found, _ = self._forward(read, part)
                tokens[torch.from_numpy(part.rows), : found.shape[1]] = found.cpu()
        for row, rollout in enumerate(rollouts):
            mask[row, : lengths[row]] = torch.from_numpy(rollout.mask)
            if cut[row]:
                after[row] = tokens[row, lengths[row]]
        return Values(tokens=torch.where(mask, tokens[:, :span], 0.0), after=after, mask=mask)

    def update(
        self,
        rollouts: Sequence[Rollout],
        *,
        values: Values,
        returns: torch.Tensor,
        scored: torch.Tensor,
        group_ids: npt.NDArray[np.int64],
        seed: int,
    ) -> Mapping[str, Sum]:
        """Fit the values to the returns on this process's scored rows together with every other process's.

        Args:
            rollouts: N.
            values: what `values(rollouts)` gave: the centre of the clip, and the mask.
            returns: (N, T) what each token's state was worth.
            scored: (N,) bool; the other rows are not trained on and not counted.
            group_ids: (N,) groups, dealt into mini-batches like the policy's.
            seed: of that deal.

        Returns:
            `value_loss` and `value_gradient_norm` of each optimiser step, counted on the first process alone, and the loss's own metrics
            of this process.

        Raises:
            TrainingError: loss or gradient is not finite; that step was not taken.
        """
        sums, settings = UpdateSums(), self._settings
        live = (scored.cpu() & values.mask.any(dim=1)).numpy()
        process, processes = self._accelerator.process_index, self._processes
        deck = make_deck(group_ids, live, settings, process=process, processes=processes)
        generator = np.random.default_rng(seed)
        with updating(self._decoder, settings.products, self._operators):
            for _ in range(settings.epochs):
                for rows in deck.deal(generator):
                    self._step(rollouts, rows[live[rows]], values, returns, sums)
        self._batches += 1
        return sums.metrics

    def _step(
        self,
        rollouts: Sequence[Rollout],
        rows: npt.NDArray[np.int64],
        values: Values,
        returns: torch.Tensor,
        sums: UpdateSums,
    ) -> None:
        own = (int(values.mask[torch.from_numpy(rows)].sum()), len(rows))
        tokens, sequences = (sum(column) for column in zip(*gather(own, self._processes), strict=True))
        if not tokens:
            return
        counts = Counts(tokens_all=tokens, tokens_signed=tokens, sequences_all=sequences, sequences_signed=sequences)
        total = torch.zeros((), device=self._accelerator.device)
        for part in self._parts(rollouts, rows):
            found, mask = self._forward(rollouts, part)
            where, span = torch.from_numpy(part.rows), mask.shape[1]
            output = self._loss(
                values=found,
                old_values=values.tokens[where, :span].to(found.device),
                returns=returns[where, :span].to(found.device, torch.float32),
                mask=mask,
            )
            share = self._divide(output, counts)
            torch.autograd.backward(share)
            total += share.detach()
            sums.add(output.metrics)
        sum_gradients(self._parameters, self._processes)
        loss = math.fsum(gather(total.item(), self._processes))
        norm = clip_gradients(self._parameters, self._settings.gradient_clip).item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"optimiser step {self._updates + 1} of the critic refused: loss {loss:g}, gradient norm {norm:g}; go on from the last "
                "checkpoint with a smaller critic.learning_rate"
            )
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self._settings, self._updates)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self._updates += 1
        # the same on every process, and sums over processes are taken later: one of them adds it
        if self._accelerator.process_index == 0:
            sums.once("value_loss", loss)
            sums.once("value_gradient_norm", norm)

    def _parts(self, rollouts: Sequence[Rollout], rows: npt.NDArray[np.int64]) -> list[Part]:
        packed = self._operators is not None and dropless(self._decoder)
        return parts_of(rollouts, rows, self._settings.tokens_per_microbatch, window=self._window, packed=packed)

    def _forward(self, rollouts: Sequence[Rollout], part: Part) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T) values, float32 whatever the precision of the trunk, and (B, T) mask."""
        chosen = [rollouts[row] for row in part.rows]
        rows = pad_rows(chosen, self._accelerator.device)
        with self._accelerator.autocast(), nullcontext() if self._trains_trunk else torch.no_grad():
            states = predicting_states(self._decoder, chosen, rows, shared=part.shared)
        found = self._head(states.float()).squeeze(1)
        blank = torch.zeros(rows.mask.shape, device=found.device)
        return blank.masked_scatter(rows.mask, found), rows.mask


def _one_further(rollout: Rollout) -> Rollout:
    """With one more token, which nobody reads: the state that it is chosen in is the one after the response."""
    return replace(
        rollout,
        token_ids=np.append(rollout.token_ids, 0),
        mask=np.append(rollout.mask, True),
        log_probs=np.append(rollout.log_probs, np.float32(0)),
    )
