"""From verdicts to an objective: credit, critic, loss."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from counterpoise.config.base import Section
from counterpoise.ranges import AboveZero, Count, NonNegative, Positive, Probability

__all__ = ["CreditConfig", "CriticConfig", "LossConfig"]


class CreditConfig(Section):
    """Which rule, and how it is weighed."""

    rule: str = "weighted_reinforce"
    """Registry name, e.g. `psr`, `nsr`, `weighted_reinforce`, `grpo`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the rule, e.g. `{lambda = 0.1}`."""
    reward: str = "binary"
    """From verdict to reward."""
    reward_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the reward."""
    emphasis: str = "none"
    """Group weight d(p), on both signs."""
    emphasis_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the emphasis, e.g. `{gamma = 1.0}`."""
    token_weights: str = "none"
    """How a response's credit is shared out to its tokens: `none`, `probability`, `unlikelihood`, `entropy_top`, …"""
    token_weight_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the token weights, e.g. `{a = 0.5, normalise = false}`."""
    controller: str = "constant"
    """What sets the two lambdas each step."""
    controller_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the controller, e.g. `{lambda_plus = 1.0, lambda_minus = 1.0}`."""
    filter: str = "zero_credit"
    """Rows that are trained on: `zero_credit`, `none` or `zero_variance`; a group that loses all its rows makes no update."""
    all_wrong_cap: Probability | None = None
    """Largest share of the batch's negative mass that all-wrong groups may carry."""


class CriticConfig(Section):
    """The critic of `credit.rule = "ppo"`; refused with any other rule."""

    trunk: Literal["separate", "policy"] = "separate"
    """What the value head reads: a copy of the policy's decoder that it trains, or the policy's own, which it leaves alone."""
    learning_rate: NonNegative = 1e-5
    """AdamW's constant rate; betas and epsilon are the learner's. 0 keeps every value at 0, which makes the advantage the return."""
    weight_decay: NonNegative = 0.01
    """AdamW's decoupled decay."""
    gradient_clip: AboveZero | None = 1.0
    """Largest gradient norm; None switches clipping off."""
    value_clip: AboveZero | None = 0.5
    """Largest move of a value in one batch that is rewarded, in units of the reward; None is plain squared error."""
    epochs: Positive = 1
    """Passes over each batch, in mini-batches of `learner.minibatch` prompts (or as many rows, `learner.minibatch_unit`)."""
    warmup_steps: Count = 0
    """First training steps that teach the critic alone; the policy stands still."""


class LossConfig(Section):
    """The surrogate and what divides it."""

    name: str = "ppo_clip"
    """Registry name: `reinforce`, `ppo_clip`, `cispo`, `gspo`, `topr`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the loss, e.g. `{clip_low = 0.2, clip_high = 0.2}`."""
    denominator: str = "tokens_signed"
    """What a mini-batch's sum is divided by."""
    constant: AboveZero | None = None
    """Tokens per sequence of the `constant` denominator; None takes `rollout.max_tokens`."""
    kl: NonNegative = 0.0
    """Coefficient of KL to the reference (the base); 0 is off and costs nothing."""
    kl_estimator: Literal["k1", "k3"] = "k3"
    """`k1` or `k3`."""
    kl_clamp: AboveZero | None = None
    """Bound of a token's k3 estimate in nats, value and gradient (10 in the source paper's code and in verl); None is k3 itself."""
    kl_focus: NonNegative = 0.0
    """Exponent g of a row's share of the KL term, (1 - p)^g with p its group's share right; 0 holds all prompts alike."""
    kl_evidence: Count = 0
    """Responses of the base to each training problem, drawn before the first step: prompts with `kl_enough` right ones have no KL term."""
    kl_enough: Positive = 1
    """Right ones of `kl_evidence` from which on a prompt is not held to the base."""
    entropy: NonNegative = 0.0
    """Coefficient of the entropy bonus; 0 is off."""

    @property
    def kl_by_problem(self) -> list[str]:
        """Which settings weigh the KL term by problem here."""
        return [key for key in ("kl_focus", "kl_evidence") if getattr(self, key)]

    @model_validator(mode="after")
    def _check(self) -> LossConfig:
        if self.kl_clamp is not None and self.kl_estimator != "k3":
            raise ValueError(
                f"kl_clamp={self.kl_clamp:g} bounds the estimator k3, and kl_estimator={self.kl_estimator}; "
                "set kl_estimator=k3, or kl_clamp=none"
            )
        if self.kl_focus and not self.kl:
            raise ValueError(f"kl_focus={self.kl_focus:g} weighs the KL term, and kl=0 has none; set kl, or kl_focus=0")
        if self.kl_evidence and not self.kl:
            raise ValueError(
                f"kl_evidence={self.kl_evidence} says which prompts the KL term holds, and kl=0 has none; set kl, or kl_evidence=0"
            )
        if self.kl_enough > max(1, self.kl_evidence):
            raise ValueError(
                f"kl_enough={self.kl_enough} right answers cannot be among kl_evidence={self.kl_evidence} responses; "
                "set kl_evidence to as many or more"
            )
        return self
