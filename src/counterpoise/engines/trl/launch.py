"""The table of `counterpoise launch trl`: what becomes of every key of a run file among the arguments of TRL's `GRPOConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from counterpoise.config import RunConfig
from counterpoise.credit import Needs, needs_of
from counterpoise.launch.translation import (
    Asked,
    Options,
    Table,
    by,
    carried,
    fixed_precision,
    has_terms,
    left,
    only,
    to,
    updates_per_step,
)
from counterpoise.losses import LOSSES
from counterpoise.losses.cispo import Cispo
from counterpoise.losses.ppo_clip import PpoClip
from counterpoise.rewards.vector import VERDICT
from counterpoise.settings import construct

__all__ = ["TABLE"]

_OFF: Final = 1e9
"""A bound that nothing reaches."""
_LOSSES: Final = {"ppo_clip": "dapo", "gspo": "dapo", "reinforce": "dapo", "cispo": "cispo"}


def _rows_of_update(config: RunConfig) -> int:
    """Rows of a mini-batch, over all processes."""
    return (config.learner.minibatch or config.rollout.prompts_per_step) * config.rollout.group_size


def _updates(asked: Asked, number: int) -> int:
    """TRL's steps are optimiser updates."""
    return number * updates_per_step(asked.config) * asked.config.learner.epochs


def _model(asked: Asked) -> Options:
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


def _prompts(asked: Asked) -> Options:
    """Prompts of a step, as so many rows for each process and so many passes of them."""
    config, facts = asked.config, asked.facts
    if facts.problems and facts.problems < asked.value:
        raise asked.refuse(
            f"TRL draws a step's prompts from one pass over the problems, and there are {facts.problems:,}; lower it to that"
        )
    size = config.learner.minibatch or asked.value
    if asked.value % size:
        raise asked.refuse(
            f"TRL cuts a step into equal mini-batches, and learner.minibatch={size} does not divide it; change one of them"
        )
    rows, processes = _rows_of_update(config), facts.processes
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


def _group(asked: Asked) -> Options:
    """Responses to a prompt."""
    if asked.value < 2:
        raise asked.refuse("TRL wants at least two responses to a prompt; raise it, or train with the local engine")
    return {"num_generations": asked.value}


def _rule(asked: Asked) -> Options:
    """Refused where it needs a critic; the table [credit] is an argument of the trainer."""
    if needs_of(asked.value) & Needs.CRITIC:
        raise asked.refuse(
            "it needs a critic, and TRL's GRPOTrainer trains none; counterpoise launch verl has verl's own PPO"
        )
    given = asked.config.credit.settings.get("dimensions", {})
    parts = set(given) - {VERDICT} if isinstance(given, Mapping) else set()
    if needs_of(asked.value) & Needs.PARTS and parts:
        raise asked.refuse(
            f"it reads parts of verdicts ({', '.join(sorted(parts))}), and TRL's reward is one number; train with the local engine, or "
            "with counterpoise launch verl"
        )
    return {}


def _row_filter(asked: Asked) -> Options:
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


def _loss_mode(asked: Asked) -> Options:
    """TRL's name of the surrogate, of those whose divisor can be set."""
    if asked.value not in _LOSSES:
        raise asked.refuse(f"TRL has no such loss whose divisor can be set; set one of {', '.join(_LOSSES)}")
    return {
        "loss_type": _LOSSES[asked.value],
        "importance_sampling_level": "sequence" if asked.value == "gspo" else "token",
    }


def _clip(asked: Asked) -> Options:
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


def _denominator(asked: Asked) -> Options:
    """An argument of the trainer; TRL's terms are divided by all tokens."""
    if has_terms(asked.config) and asked.value != "tokens_all":
        raise asked.refuse(
            "TRL divides loss.kl and loss.entropy by all tokens of the batch; set loss.denominator=tokens_all"
        )
    return {}


def _constant(asked: Asked) -> Options:
    """Length of the constant denominator."""
    if asked.config.loss.denominator == "constant" and asked.value not in (None, asked.config.rollout.max_tokens):
        raise asked.refuse(
            f"the adapter takes rollout.max_tokens={asked.config.rollout.max_tokens}; leave loss.constant out"
        )
    return {}


def _kl(asked: Asked) -> Options:
    """The KL term, k3 as it is written."""
    loss = asked.config.loss
    if asked.value and loss.kl_estimator != "k3":
        raise asked.refuse(f"TRL's KL is k3, and loss.kl_estimator={loss.kl_estimator}; set k3")
    if asked.value and loss.kl_clamp is not None:
        raise asked.refuse(f"TRL's KL has no bound, and loss.kl_clamp={loss.kl_clamp:g}; set loss.kl_clamp=none")
    return {"beta": asked.value}


def _steps(asked: Asked) -> Options:
    """Optimiser updates of all training steps."""
    return {"max_steps": _updates(asked, asked.value)}


def _schedule(asked: Asked) -> Options:
    """Course of the rate."""
    plain = asked.value == "constant" and asked.config.learner.warmup_steps
    return {"lr_scheduler_type": "constant_with_warmup" if plain else asked.value}


def _warmup(asked: Asked) -> Options:
    """Warm-up: its first update has the rate 0 there, and the next ones t / W: ours, (t + 1) / (W + 1), one update later."""
    return {"warmup_steps": asked.value + 1 if asked.value else 0}


def _gradient_clip(asked: Asked) -> Options:
    """Largest norm of a gradient."""
    return {"max_grad_norm": _OFF if asked.value is None else asked.value}


def _precision(asked: Asked) -> Options:
    """Of passes."""
    return {"bf16": fixed_precision(asked) == "bf16"}


def _old_log_probs(asked: Asked) -> Options:
    """Always the learner's."""
    if asked.given and asked.value == "sampler":
        raise asked.refuse("TRL computes them with the learner's weights; leave it out, or set learner")
    return {}


def _saves(asked: Asked) -> Options:
    """Updates between checkpoints."""
    return (
        {"save_strategy": "steps", "save_steps": _updates(asked, asked.value)}
        if asked.value
        else {"save_strategy": "no"}
    )


def _trackers(asked: Asked) -> Options:
    """Where figures go besides trainer_state.json."""
    return {"report_to": list(asked.value) or "none", "logging_steps": 1}


_RUN: Final = "the trainer, which reads the run file"
_SHOWN_ONLY: Final = "nothing watches there; counterpoise watch and report read TRL's log"
_EVALUATED: Final = "TRL evaluates nothing here; counterpoise eval RUN/checkpoint-N has pass@k"

TABLE: Final[Table] = {
    "run.name": to("run_name"),
    "run.directory": by(lambda asked: {"output_dir": str(asked.facts.directory)}),
    "run.seed": to("seed", "data_seed"),
    "run.threads": carried(_RUN),
    "model.name": by(_model),
    "model.dtype": carried("model.name"),
    "model.revision": carried("model.name"),
    "model.attn_implementation": carried("model.name"),
    "model.trust_remote_code": carried("model.name"),
    "model.lora.rank": carried(_RUN),
    "model.lora.alpha": carried(_RUN),
    "model.lora.dropout": carried(_RUN),
    "model.lora.target_modules": carried(_RUN),
    "tasks.name": carried(_RUN),
    "tasks.train": carried(_RUN),
    "tasks.test": left(_EVALUATED),
    "tasks.settings": carried(_RUN),
    "tasks.max_train": carried(_RUN),
    "tasks.weights": only("TRL draws every problem equally often; leave it out, or train with the local engine"),
    "prompt.template": carried(_RUN),
    "prompt.system": carried(_RUN),
    "prompt.user": carried(_RUN),
    "prompt.text": carried(_RUN),
    "prompt.shots": carried(_RUN),
    "prompt.chat_arguments": carried(_RUN),
    "prompt.response_prefix": carried(_RUN),
    "prompt.max_tokens": carried(_RUN),
    "prompt.too_long": carried(_RUN),
    "rollout.prompts_per_step": by(_prompts),
    "rollout.group_size": by(_group),
    "rollout.temperature": to("temperature"),
    "rollout.top_p": to("top_p"),
    "rollout.top_k": to("top_k"),
    "rollout.max_tokens": to("max_completion_length"),
    "rollout.stop": only("TRL's generation stops at the end of the text alone; leave them out"),
    "rollout.max_rows": left("TRL decodes a generation batch at once"),
    "rollout.flat_decode": left("TRL draws with a sampler of its own"),
    "rollout.compiled_decode": left("TRL draws with a sampler of its own"),
    "rollout.overlap": left("TRL asks for rewards once its whole batch is drawn"),
    "rollout.sampler": left("TRL has a sampler of its own"),
    "rollout.max_gap": left("TRL has a sampler of its own"),
    "rollout.gpu_share": by(lambda asked: {"vllm_gpu_memory_utilization": asked.value} if asked.given else {}),
    "verification.timeout": carried(_RUN),
    "verification.workers": carried(_RUN),
    "verification.truncated": carried(_RUN),
    "verification.blame": carried(_RUN),
    "verification.max_unscored": left("no step stops the run; the share is credit/unscored in TRL's log"),
    "verification.settings": carried(_RUN),
    "credit.rule": by(_rule),
    "credit.settings": carried(_RUN),
    "credit.reward": only("the adapter's rewards are +1 and -1; set binary, or train with the local engine"),
    "credit.reward_settings": only("the adapter's rewards have no settings; leave them out"),
    "credit.emphasis": carried(_RUN),
    "credit.emphasis_settings": carried(_RUN),
    "credit.token_weights": only("TRL hands over no log-probabilities of the sampler; set none, or launch verl"),
    "credit.token_weight_settings": only("token weights are not to be had in TRL; leave them out, or launch verl"),
    "credit.controller": carried(_RUN),
    "credit.controller_settings": carried(_RUN),
    "credit.filter": by(_row_filter),
    "credit.all_wrong_cap": carried(_RUN),
    "critic.trunk": left("TRL trains no critic"),
    "critic.learning_rate": left("TRL trains no critic"),
    "critic.weight_decay": left("TRL trains no critic"),
    "critic.gradient_clip": left("TRL trains no critic"),
    "critic.value_clip": left("TRL trains no critic"),
    "critic.epochs": left("TRL trains no critic"),
    "critic.warmup_steps": left("TRL trains no critic"),
    "loss.name": by(_loss_mode),
    "loss.settings": by(_clip),
    "loss.denominator": by(_denominator),
    "loss.constant": by(_constant),
    "loss.kl": by(_kl),
    "loss.kl_estimator": carried("loss.kl"),
    "loss.kl_clamp": carried("loss.kl"),
    "loss.kl_focus": only("TRL weighs the KL of all rows alike; set loss.kl_focus=0, or train with the local engine"),
    "loss.kl_evidence": only(
        "TRL weighs the KL of all rows alike; set loss.kl_evidence=0, or train with the local engine"
    ),
    "loss.kl_enough": carried("loss.kl_evidence"),
    "loss.entropy": to("entropy_coef"),
    "learner.steps": by(_steps),
    "learner.learning_rate": to("learning_rate"),
    "learner.betas": by(lambda asked: {"adam_beta1": asked.value[0], "adam_beta2": asked.value[1]}),
    "learner.epsilon": to("adam_epsilon"),
    "learner.weight_decay": to("weight_decay"),
    "learner.schedule": by(_schedule),
    "learner.warmup_steps": by(_warmup),
    "learner.gradient_clip": by(_gradient_clip),
    "learner.minibatch": carried("rollout.prompts_per_step"),
    "learner.minibatch_unit": carried("credit.filter"),
    "learner.epochs": to("num_iterations"),
    "learner.tokens_per_microbatch": carried("rollout.prompts_per_step"),
    "learner.chunk_tokens": left("TRL computes a microbatch's logits at once"),
    "learner.products": left("TRL multiplies as torch does"),
    "learner.compiled": left("TRL computes as torch does"),
    "learner.share_prompts": left("TRL computes each prompt with each of its responses"),
    "learner.old_log_probs": by(_old_log_probs),
    "learner.mixed_precision": by(_precision),
    "learner.gradient_checkpointing": to("gradient_checkpointing"),
    "diagnostics.every": left(_SHOWN_ONLY),
    "diagnostics.rollouts": left(_SHOWN_ONLY),
    "diagnostics.samples_every": left(_SHOWN_ONLY),
    "guards.names": left(_SHOWN_ONLY),
    "guards.settings": left(_SHOWN_ONLY),
    "guards.act": only("guards cannot act on TRL's trainer; set false, or train with the local engine"),
    "guards.together": left(_SHOWN_ONLY),
    "guards.rollbacks": left(_SHOWN_ONLY),
    "guards.hold": left(_SHOWN_ONLY),
    "guards.fade": left(_SHOWN_ONLY),
    "guards.backoff": left(_SHOWN_ONLY),
    "guards.floor": only("guards cannot act on TRL's trainer; set 0"),
    "checkpoint.every_steps": by(_saves),
    "checkpoint.every_minutes": left("TRL saves by steps (checkpoint.every_steps)"),
    "checkpoint.keep": to("save_total_limit"),
    "checkpoint.best_by": left("TRL keeps the newest ones (checkpoint.keep)"),
    "evaluation.before": left(_EVALUATED),
    "evaluation.every": left(_EVALUATED),
    "evaluation.after": left(_EVALUATED),
    "evaluation.problems": left(_EVALUATED),
    "evaluation.n": left(_EVALUATED),
    "evaluation.k": left(_EVALUATED),
    "evaluation.temperature": left(_EVALUATED),
    "evaluation.top_p": left(_EVALUATED),
    "evaluation.top_k": left(_EVALUATED),
    "evaluation.max_tokens": left(_EVALUATED),
    "evaluation.confidence": left(_EVALUATED),
    "tracking.trackers": by(_trackers),
    "tracking.project": to("project"),
}
"""A row for every key; `tests/engines/test_launching.py` asks for each."""
