"""verl's own PPO, which `launch verl` makes of `credit.rule=ppo`: its critic's values, advantages and gradient against our parts."""

from functools import partial

import torch
from driving import STEP

from counterpoise.credit.gae import gae, moments, token_rewards, whiten
from counterpoise.engines.contract import TOLERANCE, gradients
from counterpoise.losses.value import ValueLoss

GAMMA, LAM, KL, CLIP = 0.98, 0.9, 2e-3, 0.5
SETTINGS = {
    "algorithm.adv_estimator": "gae", "trainer.v1.trainer_mode": "sync", "algorithm.gamma": GAMMA, "algorithm.lam": LAM,
    "algorithm.use_kl_in_reward": True, "algorithm.kl_ctrl.type": "fixed", "algorithm.kl_ctrl.kl_coef": KL, "algorithm.kl_penalty": "kl",
    "critic.strategy": "fsdp2", "+critic.model.override_config.attn_implementation": "sdpa", "critic.model.use_remove_padding": False,
    "critic.model.enable_gradient_checkpointing": False, "critic.ppo_micro_batch_size_per_gpu": 8,
    "critic.fsdp.use_torch_compile": False, "critic.fsdp.model_dtype": "fp32", "critic.cliprange_value": CLIP,
    "critic.loss_agg_mode": "token-mean", "+critic.fsdp.mixed_precision": "{param_dtype:fp32,reduce_dtype:fp32,buffer_dtype:fp32}",
}  # fmt: skip


def critic_of(config):
    """verl's worker of a critic, and the gradient of each of its updates."""
    from verl.utils.config import omega_conf_to_dataclass
    from verl.workers.engine_workers import TrainingWorker, TrainingWorkerConfig
    from verl.workers.utils.losses import value_loss

    critic = omega_conf_to_dataclass(config.critic)
    critic.engine.use_dynamic_bsz = False
    critic.engine.micro_batch_size_per_gpu = critic.engine.infer_micro_batch_size_per_gpu = 8
    worker = TrainingWorker(
        config=TrainingWorkerConfig(
            model_type="value_model", model_config=critic.model, engine_config=critic.engine, optimizer_config=critic.optim,
            checkpoint_config=critic.checkpoint,
        )
    )  # fmt: skip
    worker.reset()
    worker.set_loss_fn(partial(value_loss, config=critic))
    found = []
    worker.engine.optimizer_step = lambda: found.append(gradients(worker.engine.module)) or 0.0
    return worker, found


def values_of(model):
    """(N, T) the critic's value of the state in which each token of a response is chosen."""
    rows = []
    for prompt, response in zip(STEP.prompts, STEP.responses, strict=True):
        logits = model(torch.tensor([[*prompt, *response]])).logits[0, :, 0]
        own = logits[len(prompt) - 1 : -1]
        rows.append(torch.nn.functional.pad(own, (0, max(STEP.lengths) - len(response))))
    return torch.stack(rows)


def test_verls_ppo_is_ours(engine, folder):
    import transfer_queue
    from command import command
    from hydra import compose, initialize_config_module
    from transformers import AutoConfig, AutoModelForTokenClassification
    from verl.trainer.ppo.v1 import trainer_base
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
    from verl.utils import tensordict_utils as tu
    from verl.workers.utils.padding import response_from_nested
    from verl_driver import KEYS, ROWS, Queue, last

    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose(
            "ppo_trainer", overrides=command(folder, **SETTINGS, **{"critic.model.path": folder / "model"})[3:]
        )
    worker, updates = critic_of(config)
    batch = engine.stored()
    queue = Queue(KEYS)
    queue.fields = engine.queue.fields
    mask = torch.arange(max(STEP.lengths)) < torch.tensor(STEP.lengths).unsqueeze(1)
    rewards = torch.tensor(
        [1.0 if reward == 1.0 else -1.0 for reward in STEP.rewards]
    )  # an unscored response counts as wrong
    old = queue.fields["old_log_probs"].to_padded_tensor(0.0)
    log_ratio = 0.3 * torch.sin(torch.arange(old.numel())).reshape(old.shape) * mask
    queue.fields["rm_scores"] = last(rewards.tolist())
    queue.fields["ref_log_prob"] = torch.nested.as_nested_tensor(
        [row[:length] for row, length in zip(old - log_ratio, STEP.lengths, strict=True)], layout=torch.jagged
    )

    data = queue.kv_batch_get(
        KEYS, None, ["prompts", "responses", "response_mask", "loss_mask", "input_ids", "position_ids"]
    )
    for name, value in {"temperature": 1.0, "compute_loss": False}.items():
        tu.assign_non_tensor_data(data, key=name, val=value)
    queue.fields["values"] = response_from_nested(worker.infer_batch(data)["values"], data["response_mask"])
    trainer = PPOTrainerSync(config)
    trainer.global_steps = 1
    trainer_base.tq = queue
    try:
        trainer._compute_advantage(batch, {})
    finally:
        trainer_base.tq = transfer_queue
    found = {name: queue.fields[name].to_padded_tensor(0.0).double() for name in ("values", "advantages", "returns")}

    shape = AutoConfig.from_pretrained(folder / "model", num_labels=1, attn_implementation="sdpa")
    model = AutoModelForTokenClassification.from_config(shape, dtype=torch.float32).eval()
    model.load_state_dict({name: one.full_tensor() for name, one in worker.engine.module.state_dict().items()})
    values = values_of(model)
    torch.testing.assert_close(found["values"], values.detach().double(), rtol=0, atol=1e-5)
    raw = gae(token_rewards(rewards, mask, kl=KL, log_ratio=log_ratio), values.detach(), mask, gamma=GAMMA, lam=LAM)
    advantages = whiten(raw, mask, measured=moments(raw, mask), ddof=1, eps=1e-8)
    assert float(advantages.abs().max()) > 1
    torch.testing.assert_close(found["advantages"], advantages, rtol=0, atol=1e-5)
    returns = torch.where(mask, raw + values.detach(), 0.0)
    torch.testing.assert_close(found["returns"], returns, rtol=0, atol=1e-5)

    fields = queue.kv_batch_get(
        KEYS, None, [name for name in queue.fields if name not in {"uid", "extra_fields", "data_source", "rm_scores"}]
    )
    more = {
        "temperature": 1.0,
        "global_batch_size": ROWS,
        "mini_batch_size": ROWS,
        "epochs": 1,
        "seed": 1,
        "compute_loss": True,
    }
    for name, value in more.items():
        tu.assign_non_tensor_data(fields, key=name, val=value)
    worker.train_mini_batch(fields)
    output = ValueLoss(clip=CLIP)(values=values, old_values=values.detach(), returns=returns.float(), mask=mask)
    (output.row_sums.sum() / mask.sum()).backward()
    (own,), wanted = updates, gradients(model)
    gap = torch.stack([(own[name] - wanted[name]).norm() for name in wanted]).norm()
    assert own.keys() == wanted.keys()
    assert float(gap) <= TOLERANCE * float(torch.stack([one.norm() for one in wanted.values()]).norm())
