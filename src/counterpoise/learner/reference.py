"""The policy that a KL term compares with: a model of its own, or the trained one without its adapters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from counterpoise.errors import UsageError
from counterpoise.learner.passes import Passes
from counterpoise.learner.settings import LearnerSettings
from counterpoise.types import Rollout

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Reference"]


class Reference:
    """Log-probabilities of a policy that does not move."""

    def __init__(
        self, policy: nn.Module, reference: nn.Module | None, accelerator: Accelerator, settings: LearnerSettings
    ) -> None:
        """Move the reference to the accelerator's device.

        Args:
            policy: the model that is trained.
            reference: the one that is not; None with a PEFT policy means the policy without its adapters.
            accelerator: device and precision.
            settings: what bounds a forward pass.

        Raises:
            UsageError: there is no reference and the policy has no adapters.
        """
        if reference is None and not _has_adapters(policy):
            raise UsageError(
                "the loss has a KL term and no reference policy was given; pass reference=, train a LoRA adapter "
                "(its base model is the reference), or switch the KL term off"
            )
        self._policy = policy
        self._model = None if reference is None else reference.to(accelerator.device)
        self._passes = Passes(policy if self._model is None else self._model, accelerator, settings)

    @property
    def model(self) -> nn.Module | None:
        """The model that does not move; None where it is the policy without its adapters."""
        return self._model

    def table(self, rollouts: Sequence[Rollout], rows: npt.NDArray[np.int64], *, temperature: float) -> torch.Tensor:
        """(N, T) log-probabilities of the rows, zero elsewhere."""
        if self._model is None:
            with self._passes.evaluating(), self._policy.disable_adapter():  # type: ignore[operator]
                return self._passes.table(rollouts, rows, temperature=temperature)
        with self._passes.evaluating():
            return self._passes.table(rollouts, rows, temperature=temperature)


def _has_adapters(model: nn.Module) -> bool:
    """Whether PEFT wraps the model; PEFT is not imported for the question."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(model, peft.PeftModel)
