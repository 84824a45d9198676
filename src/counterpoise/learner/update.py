"""The learner: a batch of credited rollouts becomes optimiser steps. It does not know which rule gave the credit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from counterpoise.errors import CheckpointError, UsageError
from counterpoise.learner.credited import CreditedRows, common_temperature, credited_rows
from counterpoise.learner.dealing import make_deck
from counterpoise.learner.forward import ResponseLogProbs
from counterpoise.learner.gradients import (
    broadcast_parameters,
    clip_gradients,
    flat_gradient,
    gather,
    sign_statistics,
    sum_gradients,
)
from counterpoise.learner.measure import Observe, measure
from counterpoise.learner.optimiser import make_optimiser, trainable_parameters
from counterpoise.learner.passes import Passes
from counterpoise.learner.reference import Reference
from counterpoise.learner.report import RefusedStepError, UpdateReport, UpdateSums, gathered_report
from counterpoise.learner.schedules import learning_rate
from counterpoise.learner.settings import LearnerSettings
from counterpoise.types import Counts, Credit, Divide, Loss, Rollout

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Learner", "MakeCounts"]

MakeCounts = Callable[[Credit, torch.Tensor, torch.Tensor], Counts]
"""(credit of n rows, (n,) int64 response tokens, (n,) bool scored) -> what this process's share of a mini-batch counts."""


class Learner:
    """AdamW on a surrogate of the rows that carry credit.

    Example: `Learner(model, accelerator=Accelerator(), settings=LearnerSettings(), loss=loss, divide=divide,
    make_counts=make_counts).update(rollouts, credit, scored, group_ids, seed=0)`.

    Dropout is off during an update, because the importance ratio compares two policies and not two dropout masks.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        accelerator: Accelerator,
        settings: LearnerSettings,
        loss: Loss,
        divide: Divide,
        make_counts: MakeCounts,
        reference: nn.Module | None = None,
    ) -> None:
        """Move the model to the accelerator's device, give every process the same parameters, and make the optimiser.

        Args:
            model: causal language model whose trainable parameters are float32; not wrapped by `accelerator.prepare`.
            accelerator: device, precision (`no` or `bf16`) and processes.
            settings: how to train.
            loss: undivided surrogate.
            divide: the one division.
            make_counts: counts a mini-batch's rows; sums over processes are taken here.
            reference: policy of the KL term; None with a PEFT model means the model without its adapters.

        Raises:
            UsageError: fp16 is asked for, nothing is trainable, master weights are not float32, or a reference is missing.
        """
        if accelerator.mixed_precision not in ("no", "bf16"):
            raise UsageError(
                f"mixed precision '{accelerator.mixed_precision}' needs loss scaling, which the learner does not do; "
                "use 'bf16' or 'no'"
            )
        self._model = model.to(accelerator.device)
        self._reference = Reference(model, reference, accelerator, settings) if settings.needs_reference else None
        self._accelerator = accelerator
        self._settings = settings
        self._loss = loss
        self._divide = divide
        self._make_counts = make_counts
        self._processes = int(accelerator.num_processes)
        self._parameters = trainable_parameters(model)
        broadcast_parameters(self._parameters, self._processes)
        self._optimiser = make_optimiser(self._parameters, settings)
        self._passes = Passes(model, accelerator, settings)
        self._updates = 0

    @property
    def reference(self) -> nn.Module | None:
        """The model that the KL term compares with, where it is one of its own."""
        return None if self._reference is None else self._reference.model

    def way(self) -> str:
        """Who computes, in words that follow "trained by"."""
        return self._passes.way()

    @property
    def updates(self) -> int:
        """Optimiser steps taken so far."""
        return self._updates

    def state_dict(self) -> dict[str, Any]:
        """Optimiser moments and the number of steps (which the warm-up counts); the model's weights are not in it."""
        return {"optimiser": self._optimiser.state_dict(), "updates": self._updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; with the same weights and batches every later parameter is the same bit for bit.

        Raises:
            CheckpointError: the state is of another set of trainable parameters.
        """
        try:
            self._optimiser.load_state_dict(state["optimiser"])
            self._updates = int(state["updates"])
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"the saved optimiser state does not fit this model ({error}); resume with the model and the LoRA settings "
                "that the checkpoint was written with"
            ) from error

    def update(
        self,
        rollouts: Sequence[Rollout],
        credit: Credit,
        scored: torch.Tensor,
        group_ids: Sequence[int] | npt.NDArray[np.int64],
        *,
        seed: int,
        trained: torch.Tensor | None = None,
        kl_weights: torch.Tensor | None = None,
        measure_signs: bool = False,
        observe: Observe | None = None,
        span: tuple[float, float] | None = None,
    ) -> UpdateReport:
        """Train on this process's rows (N of them) together with every other process's.

        Each epoch deals the groups, or the rows, of all processes into mini-batches (`dealing.make_deck`), the same number on each.
        For each mini-batch counts are summed over processes, rows with credit go through micro-batches, gradients are summed over
        processes and clipped, and one step is taken. A mini-batch without credit takes none.

        Args:
            rollouts: all drawn at one temperature (0 counts as 1, as recorded).
            credit: (N,) or (N, T) with T at least the longest response.
            scored: (N,) bool; rows without a verdict must have no credit.
            group_ids: (N,) which rows are rollouts of one prompt; a group lives on one process. Their order, and the processes' among
                equal ids, is the order that the deal shuffles.
            seed: decides which groups, or rows, share a mini-batch; the same on every process.
            trained: (N,) bool, rows that go through a forward pass; None: those that carry credit, since without a KL or
                entropy term the others have no gradient. All rows count in the denominators.
            kl_weights: (N,) >= 0, how strongly each row is held to the reference where the loss has a KL term; None: all alike.
            measure_signs: also measure the two signs' gradients on the first mini-batch, by two more backward passes.
            observe: shown every micro-batch that is trained on.
            span: parts of the run, in [0, 1], that are done before and after this batch: a decaying rate goes from one to the other in
                equal parts over the mini-batches. None lets it go by the optimiser steps taken.

        Raises:
            RefusedStepError: loss or gradient is not finite; that step was not taken.
            UsageError: the arguments do not fit each other.
        """
        sums = UpdateSums()
        settings = self._settings
        with sums.time("prepare"):
            groups = np.asarray(group_ids, dtype=np.int64)
            device = self._accelerator.device
            batch = credited_rows(rollouts, credit, scored, groups, device, trained=trained, kl_weights=kl_weights)
            process, processes = self._accelerator.process_index, self._processes
            deck = make_deck(groups, batch.live, settings, process=process, processes=processes)
            generator = np.random.default_rng(seed)
        taken = skipped = 0
        planned = deck.hands * settings.epochs
        with self._passes.updating():
            batch = self._frozen_log_probs(batch, sums, one_step=planned == 1)
            for epoch in range(settings.epochs):
                for index, rows in enumerate(deck.deal(generator)):
                    live = rows[batch.live[rows]]
                    counts, trained_rows = self._counts(batch, rows, len(live))
                    if counts.tokens_signed == 0:
                        skipped += 1
                        continue
                    if measure_signs and taken == 0:
                        with sums.time("signs"):
                            self._measure_signs(batch, live, counts, sums)
                    total = self._accumulate(batch, live, counts, sums, observe=observe, with_gap=taken == 0)
                    with sums.time("optimiser"):
                        part = (epoch * deck.hands + index) / planned
                        progress = None if span is None else span[0] + (span[1] - span[0]) * part
                        evidence = self._step(total, sums, rows=trained_rows, progress=progress)
                    if evidence is not None:
                        raise self._refusal(batch, live, evidence, epoch=epoch, minibatch=index, minibatches=deck.hands)
                    taken += 1
        tokens = np.array([batch.lengths.cpu()[batch.live].sum(), batch.lengths.cpu()[~batch.live].sum()])
        return gathered_report(
            sums,
            optimiser_steps=taken,
            skipped_steps=skipped,
            tokens=tokens * settings.epochs,
            processes=self._processes,
        )

    def log_probs(self, rollouts: Sequence[Rollout]) -> list[npt.NDArray[np.float32]]:
        """(T,) log-probabilities of each rollout's chosen tokens under the current weights, by forward passes without gradient.

        Raises:
            UsageError: the rollouts were drawn at different temperatures.
        """
        rows = np.flatnonzero([rollout.mask.any() for rollout in rollouts])
        with self._passes.updating():
            table = self._passes.table(rollouts, rows, temperature=common_temperature(rollouts)).cpu().numpy()
        return [row[: len(rollout.mask)][rollout.mask] for row, rollout in zip(table, rollouts, strict=True)]

    def _frozen_log_probs(self, batch: CreditedRows, sums: UpdateSums, *, one_step: bool) -> CreditedRows:
        """Log-probabilities that stay fixed during the update: each costs a forward pass without gradient, so only if needed."""
        if self._settings.old_log_probs == "learner" and not one_step:
            with sums.time("old"):
                batch = replace(batch, old=_fixed(self._passes, batch))
        if self._reference is not None:
            with sums.time("reference"):
                batch = replace(batch, reference=_fixed(self._reference, batch))
        return batch

    def _counts(self, batch: CreditedRows, rows: npt.NDArray[np.int64], trained: int) -> tuple[Counts, int]:
        """What a mini-batch counts, and its trained rows, over all processes."""
        where = torch.from_numpy(rows).to(batch.lengths.device)
        local = self._make_counts(batch.credit.rows(where), batch.lengths[where], batch.scored[where])
        everywhere = gather((local, trained), self._processes)
        counts = Counts(
            tokens_all=sum(own.tokens_all for own, _ in everywhere),
            tokens_signed=sum(own.tokens_signed for own, _ in everywhere),
            sequences_all=sum(own.sequences_all for own, _ in everywhere),
            sequences_signed=sum(own.sequences_signed for own, _ in everywhere),
        )
        return counts, sum(own for _, own in everywhere)

    def _accumulate(
        self,
        batch: CreditedRows,
        rows: npt.NDArray[np.int64],
        counts: Counts,
        sums: UpdateSums,
        *,
        observe: Observe | None = None,
        with_gap: bool = False,
    ) -> torch.Tensor:
        """Add the gradient of this process's share; returns the share of the divided loss, detached."""
        total = torch.zeros((), device=self._accelerator.device)
        for part in self._passes.parts(batch.rollouts, rows):
            where = torch.from_numpy(part.rows).to(total.device)
            with sums.time("forward"):
                out = self._passes.forward(
                    batch.rollouts, part, temperature=batch.temperature, with_entropy=self._settings.needs_entropy
                )
            with sums.time("loss"):
                span = out.mask.shape[1]
                credit, old = batch.credit.rows(where, span), self._old(batch, out, where)
                output = self._loss(
                    log_probs=out.log_probs,
                    old_log_probs=old,
                    plus=credit.plus,
                    minus=credit.minus,
                    mask=out.mask,
                    reference_log_probs=None if batch.reference is None else batch.reference[where, :span],
                    kl_weights=None if batch.kl_weights is None else batch.kl_weights[where],
                    entropy=out.entropy if self._settings.needs_entropy else None,
                )
                share = self._divide(output, counts)
                sums.add(output.metrics)
                measure(out, old, credit, sums, observe=observe, with_gap=with_gap)
            with sums.time("backward"):
                # not accelerator.backward: it would divide by its own gradient_accumulation_steps, and only Divide divides
                torch.autograd.backward(share)
            total += share.detach()
        return total

    def _old(self, batch: CreditedRows, out: ResponseLogProbs, where: torch.Tensor) -> torch.Tensor:
        if batch.old is not None:
            return batch.old[where, : out.mask.shape[1]]
        return out.sampler_log_probs if self._settings.old_log_probs == "sampler" else out.log_probs.detach()

    def _step(
        self, total: torch.Tensor, sums: UpdateSums, *, rows: int, progress: float | None
    ) -> tuple[float, float] | None:
        """Sum over processes, clip, step; or None of it, and (loss, gradient norm) as evidence, when one is not finite."""
        sum_gradients(self._parameters, self._processes)
        loss = math.fsum(gather(total.item(), self._processes))
        norm = clip_gradients(self._parameters, self._settings.gradient_clip).item()
        finite = math.isfinite(loss) and math.isfinite(norm)
        if finite:
            rate = learning_rate(self._settings, self._updates, progress=progress)
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            self._optimiser.step()
            self._updates += 1
            # the same on every process, and sums over processes are taken at the end: one of them adds it
            if self._accelerator.process_index == 0:
                limit = self._settings.gradient_clip
                sums.once("loss", loss)
                sums.once("gradient_norm", norm)
                sums.once("gradient_clipped", float(limit is not None and norm > limit))
                sums.once("learning_rate", rate)
                sums.once("rows_per_update", rows)
        self._optimiser.zero_grad(set_to_none=True)
        return None if finite else (loss, norm)

    def _measure_signs(
        self, batch: CreditedRows, rows: npt.NDArray[np.int64], counts: Counts, sums: UpdateSums
    ) -> None:
        """Gradient of each sign's rows alone under the shared counts: the two add up to the step's where no row is trained without credit.

        Terms of the loss that are not credit (KL, entropy) are in both, each on its sign's rows.
        """
        flat = []
        nothing = torch.zeros_like(batch.credit.plus)
        for credit in (Credit(plus=batch.credit.plus, minus=nothing), Credit(plus=nothing, minus=batch.credit.minus)):
            signed = credit.nonzero_rows
            own = rows[signed.cpu().numpy()[rows]]
            self._accumulate(replace(batch, credit=credit), own, counts, UpdateSums())
            sum_gradients(self._parameters, self._processes)
            flat.append(flat_gradient(self._parameters))
            self._optimiser.zero_grad(set_to_none=True)
        values = sign_statistics(*flat)
        if self._accelerator.process_index == 0:
            for name, value in zip(("norm_plus", "norm_minus", "cosine"), values, strict=True):
                sums.once(f"gradient_{name}", value)

    def _refusal(
        self,
        batch: CreditedRows,
        rows: npt.NDArray[np.int64],
        evidence: tuple[float, float],
        *,
        epoch: int,
        minibatch: int,
        minibatches: int,
    ) -> RefusedStepError:
        rollouts = [batch.rollouts[row] for row in rows]
        sampled = sum(int((~np.isfinite(rollout.log_probs[rollout.mask])).sum()) for rollout in rollouts)
        broken = [name for name, parameter in self._model.named_parameters() if not bool(parameter.isfinite().all())]
        notes = [f"{sampled} of the sampler's log-probabilities are not finite"] if sampled else []
        notes += [f"{len(broken)} parameters are not finite already, the first is '{broken[0]}'"] if broken else []
        return RefusedStepError(
            step=self._updates,
            epoch=epoch,
            minibatch=minibatch,
            minibatches=minibatches,
            loss=evidence[0],
            gradient_norm=evidence[1],
            rows=rows.tolist(),
            rollouts=rollouts,
            credit=batch.credit.rows(torch.from_numpy(rows).to(batch.lengths.device)),
            notes=notes,
        )


def _fixed(passes: Passes | Reference, batch: CreditedRows) -> torch.Tensor:
    """(N, T) log-probabilities of the rows that go through the model, zero elsewhere."""
    return passes.table(batch.rollouts, np.flatnonzero(batch.live), temperature=batch.temperature)
