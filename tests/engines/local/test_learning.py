"""Settings of policy and critic from one run file."""

from dataclasses import fields

from counterpoise.engines.local.learning import critic_settings, learner_settings
from counterpoise.learner.settings import LearnerSettings
from counterpoise.runfile import parse_config

CONFIG = parse_config(
    {
        "rollout": {"prompts_per_step": 5, "group_size": 4},
        "credit": {"rule": "ppo"},
        "critic": {"learning_rate": 0.5, "weight_decay": 0.25, "gradient_clip": 3.0, "epochs": 7, "warmup_steps": 9},
        "learner": {
            "steps": 10,
            "learning_rate": 0.125,
            "betas": [0.5, 0.75],
            "epsilon": 1e-3,
            "weight_decay": 0.0,
            "schedule": "cosine",
            "warmup_steps": 2,
            "gradient_clip": None,
            "minibatch": 2,
            "minibatch_unit": "rows",
            "epochs": 3,
            "tokens_per_microbatch": 64,
            "chunk_tokens": 32,
            "share_prompts": False,
            "products": "onednn",
            "compiled": False,
            "old_log_probs": "learner",
        },
    }
)
POLICY = {
    "learning_rate": 0.125,
    "betas": (0.5, 0.75),
    "epsilon": 1e-3,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "warmup_steps": 2,
    "total_steps": 90,  # 10 steps x 3 epochs x ceil(5 / 2) mini-batches
    "gradient_clip": None,
    "minibatch_prompts": None,
    "minibatch_rows": 8,  # 2 x 4
    "epochs": 3,
    "tokens_per_microbatch": 64,
    "chunk_tokens": 32,
    "share_prompts": False,
    "products": "onednn",
    "compiled": False,
    "old_log_probs": "learner",
    "needs_entropy": True,
    "needs_reference": False,
}


def as_dict(settings):
    return {field.name: getattr(settings, field.name) for field in fields(LearnerSettings)}


def test_every_setting_of_the_policy_s_learner_comes_from_the_run_file():
    assert as_dict(learner_settings(CONFIG, needs_entropy=True)) == POLICY


def test_the_critic_has_a_constant_rate_of_its_own():
    # critic.warmup_steps are steps in which the policy stands still, no warm-up of the rate
    own = {"learning_rate": 0.5, "weight_decay": 0.25, "gradient_clip": 3.0, "epochs": 7}
    constant = {"schedule": "constant", "warmup_steps": 0, "total_steps": None}
    assert as_dict(critic_settings(CONFIG)) == POLICY | own | constant | {"needs_entropy": False}
