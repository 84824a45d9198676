"""What becomes of the keys of a run file that are more than one option of verl 0.9.1's, or cannot be had there: a function each."""

from __future__ import annotations

from typing import Any, Final

from counterpoise.config import RunConfig
from counterpoise.credit import Needs, needs_of
from counterpoise.launch.translation import Asked, KeyRow, Options, by, fixed_precision, updates_per_step

__all__ = [
    "ACTOR",
    "MODEL",
    "OFF",
    "OURS",
    "PASS_THROUGH",
    "REFERENCE",
    "ROLLOUT",
    "attention",
    "betas",
    "checkpointing",
    "critic_warmup",
    "dtype",
    "epsilon",
    "gradient_clip",
    "has_critic",
    "judges",
    "keep",
    "loggers",
    "lora",
    "lora_alpha",
    "microbatch",
    "minibatch",
    "model",
    "of_critic",
    "old_log_probs",
    "precision",
    "prompt_limit",
    "prompts",
    "schedule",
    "steps",
    "temperature",
    "validations",
    "warmup",
]

ACTOR: Final = "actor_rollout_ref.actor"
MODEL: Final = "actor_rollout_ref.model"
REFERENCE: Final = "actor_rollout_ref.ref"
ROLLOUT: Final = "actor_rollout_ref.rollout"
OURS: Final = "+algorithm.counterpoise"

PASS_THROUGH: Final = "{% for message in messages %}{{ message.content }}{% endfor %}"
"""verl's chat format: the prompt is in the data as a whole."""
OFF: Final = 1e9
"""A bound that nothing reaches: log-ratios are clamped to 20, and e^20 is 4.9e8."""

_TRACKERS: Final = ("clearml", "mlflow", "swanlab", "tensorboard", "trackio", "wandb")
_UNITS: Final = {"float32": "fp32", "bfloat16": "bf16"}


def has_critic(config: RunConfig) -> bool:
    """Whether verl's own PPO trains it."""
    return bool(needs_of(config.credit.rule) & Needs.CRITIC)


def model(asked: Asked) -> Options:
    """Where policy, and critic, begin."""
    critic = {"critic.model.path": asked.facts.model} if has_critic(asked.config) else {}
    return {f"{MODEL}.path": asked.facts.model, **critic}


def dtype(asked: Asked) -> Options:
    """Precision of the stored weights."""
    if asked.value not in _UNITS:
        raise asked.refuse("verl wants a precision by name; set model.dtype=float32 or bfloat16")
    return {f"{ACTOR}.fsdp_config.model_dtype": _UNITS[asked.value]}


def attention(asked: Asked) -> Options:
    """The kernel, and whether rows may be packed; verl's critic has flash attention whatever is asked for, but on a CPU."""
    cpu, kernel = asked.facts.cpu, asked.value
    if kernel is None:
        if not cpu:
            return {}
        kernel = "sdpa"  # verl's default is flash attention
    if cpu and kernel.startswith("flash"):
        raise asked.refuse("flash attention needs a GPU; set sdpa or eager, or leave it out")
    models = [MODEL, *(["critic.model"] if cpu and has_critic(asked.config) else [])]
    found = {f"+{model}.override_config.attn_implementation": kernel for model in models}
    # Packed rows attend to one another where the kernel is not told where each begins.
    packed = {} if kernel.startswith("flash") else {f"{model}.use_remove_padding": False for model in models}
    return {**found, **packed}


def lora(asked: Asked) -> Options:
    """Adapters' rank, and how the sampler reads the base."""
    if not asked.value:
        return {}
    # vLLM gets the adapters apart, and reads the base by itself.
    return {f"{MODEL}.lora_rank": asked.value, f"{ROLLOUT}.load_format": "safetensors"}


def lora_alpha(asked: Asked) -> Options:
    """Adapters' scale."""
    if not asked.config.model.lora.rank:
        return {}
    if asked.value != int(asked.value):
        raise asked.refuse("verl takes a whole number")
    return {f"{MODEL}.lora_alpha": int(asked.value)}


def prompt_limit(asked: Asked) -> Options:
    """Longest prompt; nothing is left out, cut or worded by verl."""
    return {
        "data.max_prompt_length": asked.facts.prompt_tokens,
        "data.truncation": "error",
        "data.filter_overlong_prompts": False,
        f"{MODEL}.custom_chat_template": PASS_THROUGH,
    }


def judges(asked: Asked) -> Options:
    """Killable processes of each node's pool; by itself half of the CPUs that Ray counts there."""
    return {"+reward.custom_reward_function.reward_kwargs.workers_per_node": asked.value} if asked.given else {}


def prompts(asked: Asked) -> Options:
    """Prompts of a step."""
    problems = asked.facts.problems
    if problems and problems < asked.value:
        raise asked.refuse(
            f"verl draws a step's prompts from one pass over the problems, and there are {problems:,}; lower it to that"
        )
    return {"data.train_batch_size": asked.value}


def steps(asked: Asked) -> Options:
    """Training steps, and the passes over the problems that they take."""
    per_epoch = asked.facts.problems // asked.config.rollout.prompts_per_step
    epochs = {"trainer.total_epochs": -(-asked.value // per_epoch)} if per_epoch else {}
    return {"trainer.total_training_steps": asked.value, **epochs}


def betas(asked: Asked) -> Options:
    """AdamW's moments; the critic has the learner's."""
    return {f"{place}.betas": list(asked.value) for place in _optimisers(asked)}


def epsilon(asked: Asked) -> Options:
    """AdamW's epsilon; torch's default is ours."""
    if asked.value == 1e-8:
        return {}
    return {f"{place}.override_optimizer_config": {"eps": asked.value} for place in _optimisers(asked)}


def _optimisers(asked: Asked) -> list[str]:
    return [f"{ACTOR}.optim", *(["critic.optim"] if has_critic(asked.config) else [])]


def critic_warmup(asked: Asked) -> Options:
    """First step that updates the policy; verl counts from 1."""
    return {"trainer.critic_warmup": asked.value and asked.value + 1} if has_critic(asked.config) else {}


def schedule(asked: Asked) -> Options:
    """Course of the rate."""
    if asked.value == "linear":
        raise asked.refuse("verl has constant and cosine; set one of them")
    return {f"{ACTOR}.optim.lr_scheduler_type": asked.value, f"{ACTOR}.optim.min_lr_ratio": 0.0}


def warmup(asked: Asked) -> Options:
    """Warm-up, where verl's steps are updates."""
    if not asked.value:
        return {f"{ACTOR}.optim.lr_warmup_steps": 0}
    if updates_per_step(asked.config) * asked.config.learner.epochs > 1:
        raise asked.refuse("verl's warm-up counts training steps, and a step makes several updates here; set it to 0")
    # Its first update has the rate 0 and the next ones t / W: ours, (t + 1) / (W + 1), one update later.
    return {f"{ACTOR}.optim.lr_warmup_steps": asked.value + 1}


def gradient_clip(asked: Asked) -> Options:
    """Largest norm of a gradient."""
    bound = OFF if asked.value is None else asked.value
    return {f"{ACTOR}.grad_clip": bound, f"{ACTOR}.optim.clip_grad": bound}


def minibatch(asked: Asked) -> Options:
    """Prompts of a mini-batch, dealt evenly."""
    prompts, group = asked.config.rollout.prompts_per_step, asked.config.rollout.group_size
    size = asked.value or prompts
    if prompts % size:
        raise asked.refuse(f"verl cuts rollout.prompts_per_step={prompts} into equal mini-batches; set a divisor of it")
    if size * group % asked.facts.processes:
        raise asked.refuse(
            f"the {size * group} rows of a mini-batch are dealt to {asked.facts.processes} GPUs, which does not come out even; change "
            "learner.minibatch, rollout.group_size or --gpus"
        )
    return {f"{ACTOR}.ppo_mini_batch_size": size}


def microbatch(asked: Asked) -> Options:
    """Tokens of a forward pass, at least one response with its prompt."""
    tokens = max(asked.value, asked.facts.prompt_tokens + asked.config.rollout.max_tokens)
    critic = {"critic.ppo_max_token_len_per_gpu": tokens} if has_critic(asked.config) else {}
    return {f"{ACTOR}.use_dynamic_bsz": True, f"{ACTOR}.ppo_max_token_len_per_gpu": tokens, **critic}


def old_log_probs(asked: Asked) -> Options:
    """Always the learner's."""
    if asked.given and asked.value == "sampler":
        raise asked.refuse("verl computes them with the learner's weights; leave it out, or set learner")
    return {}


def precision(asked: Asked) -> Options:
    """Of passes, sampler and reference."""
    unit = {"no": "fp32", "bf16": "bf16"}[fixed_precision(asked)]
    table = {"param_dtype": unit, "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
    places = [
        f"{ACTOR}.fsdp_config",
        f"{REFERENCE}.fsdp_config",
        *(["critic.fsdp"] if has_critic(asked.config) else []),
    ]
    return {
        **{f"+{place}.mixed_precision": table for place in places},
        f"{ROLLOUT}.dtype": {"fp32": "float32", "bf16": "bfloat16"}[unit],
    }


def checkpointing(asked: Asked) -> Options:
    """Whether activations are recomputed."""
    critic = {"critic.model.enable_gradient_checkpointing": asked.value} if has_critic(asked.config) else {}
    return {f"{MODEL}.enable_gradient_checkpointing": asked.value, **critic}


def keep(asked: Asked) -> Options:
    """Newest checkpoints."""
    critic = {"trainer.max_critic_ckpt_to_keep": asked.value} if has_critic(asked.config) else {}
    return {"trainer.max_actor_ckpt_to_keep": asked.value, **critic}


def validations(asked: Asked) -> Options:
    """Steps between verl's validations."""
    evaluation = asked.config.evaluation
    last = (
        asked.config.learner.steps if evaluation.after else -1
    )  # verl evaluates the last step wherever it evaluates any
    return {"trainer.test_freq": asked.value or last}


def loggers(asked: Asked) -> Options:
    """Verl's console and file, and trackers."""
    unknown = [name for name in asked.value if name not in _TRACKERS]
    if unknown:
        raise asked.refuse(f"verl's trackers are {', '.join(_TRACKERS)}; drop {unknown[0]}")
    return {"trainer.logger": ["console", "file", *asked.value]}


def temperature(asked: Asked) -> Options:
    """Of validation; 0 is greedy."""
    return {f"{ROLLOUT}.val_kwargs.temperature": asked.value, f"{ROLLOUT}.val_kwargs.do_sample": asked.value > 0}


def of_critic(*options: str, none: Any = None) -> KeyRow:
    """A key of [critic]: an option of verl's critic where there is one."""

    def translated(asked: Asked) -> Options:
        if not has_critic(asked.config):
            return {}
        return dict.fromkeys(options, none if asked.value is None else asked.value)

    return by(translated)
