"""What becomes of the keys of a run file that are more than one argument of TRL's `GRPOConfig`, or cannot be had there: a function each."""

from __future__ import annotations

from typing import Any, Final

from counterpoise.config import RunConfig
from counterpoise.credit import Needs, needs_of
from counterpoise.engines.launching.translation import Asked, Options
from counterpoise.losses import LOSSES
from counterpoise.losses.cispo import Cispo
from counterpoise.losses.ppo_clip import PpoClip
from counterpoise.settings import construct

__all__ = ["has_terms", "rows_of_update", "updates_per_step"]

_OFF: Final = 1e9
"""A bound that nothing reaches."""
_LOSSES: Final = {"ppo_clip": "dapo", "gspo": "dapo", "reinforce": "dapo", "cispo": "cispo"}


def updates_per_step(config: RunConfig) -> int:
    """Mini-batches of a step."""
    return -(-config.rollout.prompts_per_step // (config.learner.minibatch or config.rollout.prompts_per_step))


def rows_of_update(config: RunConfig) -> int:
    """Rows of a mini-batch, over all processes."""
    return (config.learner.minibatch or config.rollout.prompts_per_step) * config.rollout.group_size


def has_terms(config: RunConfig) -> bool:
    """Whether the loss has terms that act on rows without credit."""
    return bool(config.loss.kl or config.loss.entropy)


def _steps(asked: Asked, number: int) -> int:
    """TRL's steps are optimiser updates."""
    return number * updates_per_step(asked.config) * asked.config.learner.epochs


def model(asked: Asked) -> Options:
    """How the weights are read; the policy itself is an argument of the trainer."""
    section = asked.config.model
    if section.dtype == "auto":
        raise asked.refuse("model.dtype=auto is not taken here; set float32 or bfloat16")
    given = {
        "dtype": section.dtype, "revision": section.revision, "attn_implementation": section.attn_implementation,
        "trust_remote_code": section.trust_remote_code or None,
    }  # fmt: skip
    # Dropout is off in our updates, too.
    return {
        "model_init_kwargs": {name: value for name, value in given.items() if value is not None},
        "disable_dropout": True,
    }


def prompts(asked: Asked) -> Options:
    """Prompts of a step, as so many rows for each process and so many passes of them."""
    config, facts = asked.config, asked.facts
    if facts.problems and facts.problems < asked.value:
        raise asked.refuse(
            f"TRL draws a step's prompts from one pass over the problems, and there are {facts.problems:,}; lower it to that"
        )
    size = config.learner.minibatch or asked.value
    if asked.value % size:
        raise asked.refuse(
            f"TRL cuts a step into equal mini-batches, and learner.minibatch={size} is no divisor of it; change one of them"
        )
    rows, processes = rows_of_update(config), facts.processes
    if rows % processes:
        raise asked.refuse(
            f"the {rows} rows of an update are dealt to {processes} processes, which does not come out even; change --gpus"
        )
    each = rows // processes
    width = facts.prompt_tokens + config.rollout.max_tokens
    fit = max(1, config.learner.tokens_per_microbatch // width)
    batch = max(number for number in range(1, each + 1) if each % number == 0 and number <= fit)
    return {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": each // batch,
        "steps_per_generation": each // batch * updates_per_step(config),
    }


def group(asked: Asked) -> Options:
    """Responses to a prompt."""
    if asked.value < 2:
        raise asked.refuse("TRL wants at least two responses to a prompt; raise it, or train with the local engine")
    return {"num_generations": asked.value}


def rule(asked: Asked) -> Options:
    """Refused where it needs a critic; the table [credit] is an argument of the trainer."""
    if needs_of(asked.value) & Needs.CRITIC:
        raise asked.refuse(
            "it needs a critic, and TRL's GRPOTrainer trains none; counterpoise launch verl has verl's own PPO"
        )
    return {}


def row_filter(asked: Asked) -> Options:
    """TRL removes no rows: without terms, and in one update, that is the same."""
    config = asked.config
    if asked.value == "none":
        return {}
    if asked.value != "zero_credit":
        raise asked.refuse("TRL keeps its batches whole; set credit.filter=none")
    if has_terms(config):
        raise asked.refuse(
            "TRL keeps rows without credit, and loss.kl and loss.entropy act on them; set credit.filter=none loss.denominator=tokens_all"
        )
    if updates_per_step(config) > 1 or config.learner.minibatch_unit == "rows":
        raise asked.refuse(
            "TRL keeps the rows without credit in its mini-batches, so that there would be more updates; set credit.filter=none "
            "learner.minibatch_unit=prompts"
        )
    return {}


def loss_mode(asked: Asked) -> Options:
    """TRL's name of the surrogate, of those whose divisor can be set."""
    if asked.value not in _LOSSES:
        raise asked.refuse(f"TRL has no such loss whose divisor can be set; set one of {', '.join(_LOSSES)}")
    return {
        "loss_type": _LOSSES[asked.value],
        "importance_sampling_level": "sequence" if asked.value == "gspo" else "token",
    }


def clip(asked: Asked) -> Options:
    """Bounds of the ratio."""
    loss: Any = construct("loss", LOSSES, asked.config.loss.name, asked.value)
    if isinstance(loss, Cispo):
        if loss.clip_low != 1.0 or (loss.clip_low_minus, loss.clip_high_minus) != (None, None):
            raise asked.refuse("TRL's cispo has one upper bound; leave out all but clip_high")
        return {"epsilon_high": 1.0 + loss.clip_high}
    if not hasattr(loss, "clip_low"):
        return {}
    if isinstance(loss, PpoClip) and loss.probability_floor:
        raise asked.refuse("TRL's loss has no probability_floor; leave it out")
    return {"epsilon": loss.clip_low, "epsilon_high": loss.clip_high, "delta": getattr(loss, "dual_clip", None)}


def denominator(asked: Asked) -> Options:
    """An argument of the trainer; TRL's terms are divided by all tokens."""
    if has_terms(asked.config) and asked.value != "tokens_all":
        raise asked.refuse(
            "TRL divides loss.kl and loss.entropy by all tokens of the batch; set loss.denominator=tokens_all"
        )
    return {}


def constant(asked: Asked) -> Options:
    """Length of the constant denominator."""
    if asked.config.loss.denominator == "constant" and asked.value not in (None, asked.config.rollout.max_tokens):
        raise asked.refuse(
            f"the adapter takes rollout.max_tokens={asked.config.rollout.max_tokens}; leave loss.constant out"
        )
    return {}


def kl(asked: Asked) -> Options:
    """The KL term, k3 as it is written."""
    loss = asked.config.loss
    if asked.value and loss.kl_estimator != "k3":
        raise asked.refuse(f"TRL's KL is k3, and loss.kl_estimator={loss.kl_estimator}; set k3")
    if asked.value and loss.kl_clamp is not None:
        raise asked.refuse(f"TRL's KL has no bound, and loss.kl_clamp={loss.kl_clamp:g}; set loss.kl_clamp=none")
    return {"beta": asked.value}


def steps(asked: Asked) -> Options:
    """Optimiser updates of all training steps."""
    return {"max_steps": _steps(asked, asked.value)}


def schedule(asked: Asked) -> Options:
    """Course of the rate."""
    plain = asked.value == "constant" and asked.config.learner.warmup_steps
    return {"lr_scheduler_type": "constant_with_warmup" if plain else asked.value}


def warmup(asked: Asked) -> Options:
    """Warm-up: its first update has the rate 0 there, and the next ones t / W: ours, (t + 1) / (W + 1), one update later."""
    return {"warmup_steps": asked.value + 1 if asked.value else 0}


def gradient_clip(asked: Asked) -> Options:
    """Largest norm of a gradient."""
    return {"max_grad_norm": _OFF if asked.value is None else asked.value}


def old_log_probs(asked: Asked) -> Options:
    """Always the learner's."""
    if asked.given and asked.value == "sampler":
        raise asked.refuse("TRL computes them with the learner's weights; leave it out, or set learner")
    return {}


def saves(asked: Asked) -> Options:
    """Updates between checkpoints."""
    return (
        {"save_strategy": "steps", "save_steps": _steps(asked, asked.value)} if asked.value else {"save_strategy": "no"}
    )


def trackers(asked: Asked) -> Options:
    """Where figures go besides trainer_state.json."""
    return {"report_to": list(asked.value) or "none", "logging_steps": 1}
