"""Rule `ppo` in a run: values, generalised advantages, credit for the policy, and a critic fitted to the returns."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from counterpoise.config import RunConfig
from counterpoise.credit import Advantages, GroupStatistics
from counterpoise.credit.advantages import Stateful
from counterpoise.credit.gae import explained_variance, gae, moments, token_rewards, whiten
from counterpoise.credit.rules.ppo import Ppo
from counterpoise.engines.local.learning import critic_settings
from counterpoise.engines.local.policy import Policy, load_base
from counterpoise.errors import CheckpointError, UsageError
from counterpoise.learner.credited import common_temperature
from counterpoise.learner.critic import Critic, Values
from counterpoise.learner.reference import Reference
from counterpoise.losses import make_divide
from counterpoise.losses.value import ValueLoss
from counterpoise.streams import stream
from counterpoise.types import Batch, Rollout, Sum
from counterpoise.world import World

__all__ = ["ActorCritic"]


class ActorCritic:
    """Values before the update -> advantages and returns -> critic's update -> the advantages: rule `ppo` as a step calls it."""

    def __init__(self, config: RunConfig, rule: Ppo) -> None:
        """Keep the settings; the critic itself is made by `build`, when there is a policy."""
        self._config, self._rule = config, rule
        self._loss = ValueLoss(clip=config.critic.value_clip)
        self._critic: Critic | None = None
        self._reference: Reference | None = None

    def build(self, policy: Policy, accelerator: Accelerator) -> None:
        """Make the critic beside the policy, and read the base if there is a KL in the reward."""
        config, settings = self._config, critic_settings(self._config)
        if self._rule.kl:
            base = None if config.model.lora.rank else load_base(config.model).model
            self._reference = Reference(policy.model, base, accelerator, settings)
        self._critic = Critic(
            policy.model,
            trunk=config.critic.trunk,
            accelerator=accelerator,
            settings=settings,
            loss=self._loss,
            divide=make_divide("tokens_all"),
        )

    @property
    def reference(self) -> torch.nn.Module | None:
        """The model that the KL in the reward compares with, where it is one of its own."""
        return None if self._reference is None else self._reference.model

    @property
    def states(self) -> Mapping[str, Stateful]:
        """The critic's weights and optimiser."""
        return {"critic": self}

    def advantages(self, batch: Batch, statistics: GroupStatistics, world: World) -> Advantages:
        """(N, T) advantages, which it is an error to ask for twice, since the critic learns from each batch once; and its columns.

        Raises:
            TrainingError: the critic's loss is not finite.
            UsageError: there is no critic yet.
        """
        started = time.perf_counter()
        rule, critic = self._rule, self._built()
        values = critic.values(batch.rollouts, after_truncated=rule.bootstrap)
        counted = values.mask & batch.scored[:, None]
        log_ratio = None if self._reference is None else self._log_ratio(batch.rollouts, values)
        rewards = token_rewards(batch.rewards, values.mask, kl=rule.kl, log_ratio=log_ratio)
        advantages = gae(rewards, values.tokens, values.mask, gamma=rule.gamma, lam=rule.lam, after=values.after)
        returns = advantages + values.tokens
        measured = moments(advantages, counted, world=world)
        metrics = {
            "value_mean": _mean(values.tokens, counted),
            "return_mean": _mean(returns, counted),
            "explained_variance": _once(explained_variance(values.tokens, returns, counted, world=world)),
            "advantage_mean": _mean(advantages, counted),
            "advantage_std": _once(math.sqrt(measured.variance(rule.ddof)) if measured.count else math.nan),
        }
        if log_ratio is not None:
            metrics["kl_reward"] = _mean(log_ratio, counted)
        warming = critic.batches < self._config.critic.warmup_steps
        metrics |= critic.update(
            batch.rollouts,
            values=values,
            returns=returns,
            scored=batch.scored,
            group_ids=batch.group_ids.numpy(),
            seed=stream(self._config.run.seed, "critic", critic.batches),
        )
        if rule.whiten:
            advantages = whiten(advantages, counted, measured=measured, ddof=rule.ddof, eps=rule.eps)
        metrics["seconds_critic"] = Sum(total=time.perf_counter() - started, count=1.0)
        return Advantages(values=torch.zeros_like(advantages) if warming else advantages, metrics=metrics)

    def state_dict(self) -> dict[str, Any]:
        """The critic's."""
        return self._built().state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a checkpoint's.

        Raises:
            CheckpointError: the checkpoint has no critic, or another one.
        """
        if state is None:
            raise CheckpointError(
                "the checkpoint holds no critic; resume a run of credit.rule=ppo from its own checkpoints"
            )
        self._built().load_state_dict(state)

    def _built(self) -> Critic:
        if self._critic is None:
            raise UsageError(
                f"credit.rule={self._config.credit.rule} credits tokens by the values of a critic, which learns in training and is not "
                "here; choose another rule, e.g. reinforce"
            )
        return self._critic

    def _log_ratio(self, rollouts: Sequence[Rollout], values: Values) -> torch.Tensor:
        """(N, T) float64 `log pi_old - log pi_ref`, pi_old as the sampler recorded it."""
        assert self._reference is not None
        rows = np.flatnonzero(values.mask.any(dim=1).numpy())
        table = self._reference.table(rollouts, rows, temperature=common_temperature(rollouts)).cpu().double()
        old = torch.zeros_like(table)
        for row, rollout in enumerate(rollouts):
            old[row, : len(rollout.token_ids)] = torch.from_numpy(rollout.log_probs).double()
        return torch.where(values.mask, old - table, 0.0)


def _mean(values: torch.Tensor, mask: torch.Tensor) -> Sum:
    return Sum(total=float(values[mask].double().sum()), count=float(mask.sum()))


def _once(value: float) -> Sum:
    """A number of all processes, which each of them adds; undefined where it is NaN."""
    return Sum(total=0.0, count=0.0) if math.isnan(value) else Sum(total=value, count=1.0)
