"""What becomes of `[credit]` and `[loss]` under verl: a function for each key that is more than one option, or cannot be had there.

`algorithm.counterpoise` is the plugin's own table. A rule with a critic (`ppo`) has no place in the plugin: it is verl's own PPO, whose
reward is made +1 and -1 as ours is, so that coefficients keep their units.
"""

from __future__ import annotations

from typing import Any

from counterpoise.engines.verl.options import ACTOR, OFF, OURS, has_critic
from counterpoise.launch.translation import Asked, Options, has_terms, updates_per_step
from counterpoise.losses import LOSSES
from counterpoise.losses.cispo import Cispo
from counterpoise.losses.ppo_clip import PpoClip
from counterpoise.settings import construct

__all__ = [
    "clip",
    "denominator",
    "kl",
    "kl_clamp",
    "length",
    "loss_mode",
    "max_unscored",
    "part",
    "reward",
    "row_filter",
    "rule",
    "settings_of_rule",
]


def rule(asked: Asked) -> Options:
    """Whose credit: the plugin's, or verl's own PPO."""
    if not has_critic(asked.config):
        return {
            "algorithm.adv_estimator": "counterpoise", "trainer.v1.trainer_mode": "counterpoise", f"{OURS}.rule": asked.value,
            f"{OURS}.task_key": "data_source",
        }  # fmt: skip
    others: dict[str, Any] = {
        "emphasis": "none", "token_weights": "none", "controller": "constant", "all_wrong_cap": None, "controller_settings": {},
    }  # fmt: skip
    for name, plain in others.items():
        if getattr(asked.config.credit, name) != plain:
            raise asked.refuse(
                f"credit.{name} is not to be had with verl's own PPO; leave it out, or train with the local engine"
            )
    return {"algorithm.adv_estimator": "gae", "trainer.v1.trainer_mode": "sync"}


def settings_of_rule(asked: Asked) -> Options:
    """The rule's settings, in verl's words where it is verl's PPO."""
    if not has_critic(asked.config):
        return {f"{OURS}.settings": dict(asked.value)} if asked.value else {}
    from counterpoise.credit.rules.ppo import Ppo

    ppo = Ppo(**asked.value)
    fixed = {"whiten": True, "ddof": 1, "eps": 1e-8, "bootstrap": False}
    for name, value in fixed.items():
        if getattr(ppo, name) != value:
            raise asked.refuse(
                f"verl's PPO has {name}={str(value).lower()} built in; set that, or train with the local engine"
            )
    kl = (
        {"algorithm.kl_ctrl.type": "fixed", "algorithm.kl_ctrl.kl_coef": ppo.kl, "algorithm.kl_penalty": "kl"}
        if ppo.kl
        else {}
    )
    return {"algorithm.gamma": ppo.gamma, "algorithm.lam": ppo.lam, "algorithm.use_kl_in_reward": bool(ppo.kl), **kl}


def part(asked: Asked) -> Options:
    """A key of [credit] that the plugin's table has too; verl's own PPO has refused what it does not know."""
    name = asked.key.removeprefix("credit.")
    plain = asked.value in ("none", "constant", None, {})
    return {} if plain or has_critic(asked.config) else {f"{OURS}.{name}": asked.value}


def reward(asked: Asked) -> Options:
    """What a verdict is worth: the plugin's trainer makes it of the verdicts that the reward function hands over."""
    if asked.value in ("binary", {}):
        return {}
    if has_critic(asked.config):
        raise asked.refuse("verl's own PPO has +1 and -1 as rewards; set binary, or train with the local engine")
    if asked.value == "random":
        raise asked.refuse("only the local engine throws coins in the place of verdicts; train with that")
    return {f"{OURS}.{asked.key.removeprefix('credit.')}": asked.value}


def max_unscored(asked: Asked) -> Options:
    """The share of rollouts without a verdict that ends the run; verl's own PPO takes them for wrong."""
    return {} if has_critic(asked.config) else {f"{OURS}.max_unscored": asked.value}


def row_filter(asked: Asked) -> Options:
    """Whether rows without credit are removed, and what that makes of mini-batches."""
    config = asked.config
    if asked.value not in ("zero_credit", "none"):
        raise asked.refuse(
            "verl's trainer can remove the rows without credit, or none; set credit.filter=zero_credit or none"
        )
    if has_critic(config):
        return {}
    if asked.value == "none":
        return {f"{OURS}.filter": "none"}
    several = updates_per_step(config) > 1
    if several and config.learner.minibatch_unit == "prompts":
        raise asked.refuse(
            "verl cuts mini-batches of rows, those of prompts that kept a row are not to be had; set learner.minibatch_unit=rows, "
            "or credit.filter=none"
        )
    if not several and has_terms(config):
        raise asked.refuse(
            "verl fills its one mini-batch up with some rows without credit, on which loss.kl and loss.entropy would act; set "
            "credit.filter=none loss.denominator=tokens_all, or a learner.minibatch with learner.minibatch_unit=rows"
        )
    # One mini-batch drawn anew would be filled up with what was removed; our trainer leaves it out, where verl's own cut is kept.
    return {f"{OURS}.remove_rows": True} if several else {}


def loss_mode(asked: Asked) -> Options:
    """Verl's name of the surrogate."""
    modes = {"ppo_clip": "vanilla", "cispo": "cispo", "gspo": "gspo", "reinforce": "gpg"}
    if asked.value not in modes:
        raise asked.refuse(f"verl has no such loss; it has {', '.join(modes)}")
    return {f"{ACTOR}.policy_loss.loss_mode": modes[asked.value]}


def clip(asked: Asked) -> Options:
    """Bounds of the ratio."""
    loss: Any = construct("loss", LOSSES, asked.config.loss.name, asked.value)
    if not hasattr(loss, "clip_low"):
        return {}
    bounds = {f"{ACTOR}.clip_ratio_low": loss.clip_low, f"{ACTOR}.clip_ratio_high": loss.clip_high}
    if isinstance(loss, Cispo) and (loss.clip_low_minus, loss.clip_high_minus) != (None, None):
        raise asked.refuse("verl's cispo has one bound for both signs; leave clip_low_minus and clip_high_minus out")
    if isinstance(loss, PpoClip):
        if loss.probability_floor:
            raise asked.refuse("verl's loss has no probability_floor; leave it out")
        bounds[f"{ACTOR}.clip_ratio_c"] = loss.dual_clip or OFF
    return bounds


def denominator(asked: Asked) -> Options:
    """What divides, and how verl adds up."""
    config = asked.config
    if has_critic(config):
        modes = {
            "tokens_all": "token-mean", "sequences": "seq-mean-token-sum", "sequence_mean": "seq-mean-token-mean",
            "constant": "seq-mean-token-sum-norm",
        }  # fmt: skip
        if asked.value not in modes:
            raise asked.refuse(
                f"verl's PPO divides by {', '.join(modes)}; every scored rollout has credit, so set tokens_all"
            )
        return {f"{ACTOR}.loss_agg_mode": modes[asked.value], "critic.loss_agg_mode": "token-mean"}
    if config.credit.filter == "zero_credit" and updates_per_step(config) > 1 and asked.value != "tokens_signed":
        raise asked.refuse(
            "it counts rows without credit, which are removed before verl cuts its mini-batches; set loss.denominator=tokens_signed, "
            "or credit.filter=none"
        )
    if not has_terms(config):
        return {f"{OURS}.denominator": asked.value, f"{ACTOR}.loss_agg_mode": "token-sum"}
    wanted = "tokens_all" if config.credit.filter == "none" else "tokens_signed"
    if asked.value != wanted:
        raise asked.refuse(
            f"with credit.filter={config.credit.filter} verl divides loss.kl and loss.entropy by the tokens of the rows it trains on; "
            f"set loss.denominator={wanted}"
        )
    return {f"{OURS}.denominator": asked.value, f"{ACTOR}.loss_agg_mode": "token-mean"}


def length(asked: Asked) -> Options:
    """Length of the constant denominator."""
    config = asked.config
    if config.loss.denominator != "constant":
        return {}
    length = asked.value or config.rollout.max_tokens
    if has_critic(config):
        return {f"{ACTOR}.loss_scale_factor": length}
    if length != config.rollout.max_tokens:
        raise asked.refuse(f"the plugin takes rollout.max_tokens={config.rollout.max_tokens}; leave loss.constant out")
    return {}


def kl(asked: Asked) -> Options:
    """The KL term."""
    if not asked.value:
        return {f"{ACTOR}.use_kl_loss": False}
    kind = {"k1": "k1+", "k3": "low_var_kl"}[asked.config.loss.kl_estimator]
    return {f"{ACTOR}.use_kl_loss": True, f"{ACTOR}.kl_loss_coef": asked.value, f"{ACTOR}.kl_loss_type": kind}


def kl_clamp(asked: Asked) -> Options:
    """Verl's bound of k3 is built in."""
    loss = asked.config.loss
    if loss.kl and loss.kl_estimator == "k3" and asked.value != 10.0:
        raise asked.refuse("verl bounds a token's k3 at 10 nats; set loss.kl_clamp=10")
    return {}
