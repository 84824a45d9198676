"""verl's trainer, estimator, FSDP2 engine and policy loss in this process: its own code from rewards to gradient.

Two things are not verl's: the transfer queue is a dictionary, and the group of workers is one worker that is called directly.
`make test-verl` trains with both as they are.
"""

import copy
import os
import socket
from functools import partial
from types import SimpleNamespace

import torch
from driving import LENGTH, SIZE, STEP, STEPS, load_policy, masked_later, weighed_rewards

from counterpoise.engines.contract import Answer, gradients, parity_gap
from counterpoise.engines.verl.updates import Updates
from counterpoise.learner.forward import response_log_probs
from counterpoise.losses import make_loss

ROWS = len(STEP.rewards)
KEYS = [f"g{group}_{row % SIZE}_0" for row, group in enumerate(STEP.groups)]
_READ = ["prompts", "responses", "response_mask", "loss_mask", "input_ids", "position_ids"]


def _environment():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "VERL_USE_EXTERNAL_MODULES": "verl_on_cpu", "VERL_PLATFORM": "cpu", "VERL_ENGINE_DEVICE": "cuda", "WORLD_SIZE": "1", "RANK": "0",
        "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }  # fmt: skip


class Queue:
    """What the trainer asks of the transfer queue, in this process."""

    def __init__(self, keys):
        self.keys, self.fields = keys, {}

    def kv_batch_get(self, keys, partition_id, select_fields):
        from verl.utils import tensordict_utils as tu

        held = tu.get_tensordict({name: self.fields[name] for name in select_fields if name in self.fields})
        return tu.index_select_tensor_dict(held, [self.keys.index(key) for key in keys])

    def kv_batch_put(self, keys, partition_id, fields):
        self.fields |= {name: fields[name] for name in fields.keys()}  # noqa: SIM118


class Driver:
    takes = frozenset({"token_weights", "parts"})
    variants = ("token-sum", "token-mean")
    loss = staticmethod(make_loss("ppo_clip", dual_clip=3.0))  # actor.clip_ratio_c

    def __init__(self, folder):
        _environment()
        import verl  # noqa: F401
        from command import command
        from hydra import compose, initialize_config_module
        from verl.utils.config import omega_conf_to_dataclass
        from verl.workers.engine_workers import TrainingWorker, TrainingWorkerConfig
        from verl.workers.utils.losses import ppo_loss

        self.policy = load_policy(folder)
        settings = {
            "data__max_response_length": LENGTH,
            "data__train_batch_size": ROWS // SIZE,
            "actor_rollout_ref__actor__ppo_mini_batch_size": ROWS // SIZE,
            "actor_rollout_ref__actor__ppo_micro_batch_size_per_gpu": 8,
            "actor_rollout_ref__rollout__n": SIZE,
        }
        overrides = command(folder, **settings)[3:]

        with initialize_config_module("verl.trainer.config", version_base=None):
            config = compose("ppo_trainer", overrides=overrides)
        self.config = copy.deepcopy(config)
        model, actor = (omega_conf_to_dataclass(config.actor_rollout_ref[name]) for name in ("model", "actor"))
        actor.model_config = model
        actor.engine.use_dynamic_bsz = False
        actor.engine.micro_batch_size_per_gpu = actor.engine.infer_micro_batch_size_per_gpu = 8
        own = TrainingWorkerConfig(
            model_type="language_model", model_config=model, engine_config=actor.engine, optimizer_config=actor.optim,
            checkpoint_config=actor.checkpoint,
        )  # fmt: skip
        self.worker = TrainingWorker(config=own)
        self.worker.reset()
        self.worker.set_loss_fn(partial(ppo_loss, config=actor))
        self.actor, self.gradient, self.rate = actor, {}, None
        self.step, self.worker.engine.optimizer_step = self.worker.engine.optimizer_step, self._kept

    def close(self):
        torch.distributed.destroy_process_group()

    def answer(self, credit, *, denominator=None, shift=None, mistake=None, variant="token-sum"):
        import transfer_queue
        from verl.trainer.ppo.v1 import trainer_base
        from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

        from counterpoise.engines.verl import trainer as ours

        config, trainer = self._trainer(credit, denominator, variant)
        self.variant = variant
        queue = self.queue = Queue(KEYS)
        trainer_base.tq = ours.tq = queue
        try:
            batch = self._stored(shift)
            metrics = {}
            if mistake is None:
                trainer._compute_advantage(batch, metrics)
            else:
                config.algorithm.adv_estimator = "grpo"
                trainer._updates = Updates(number=torch.zeros(ROWS).long(), rows=list(range(ROWS)), size=ROWS)
                if mistake == "weighed_rewards":
                    queue.fields["rm_scores"] = last(weighed_rewards().nan_to_num().tolist())
                PPOTrainerSync._compute_advantage(trainer, batch, metrics)
                if mistake == "masked_later":
                    flat = queue.fields["advantages"].to_padded_tensor(0.0)
                    queue.fields["advantages"] = _jagged(masked_later(flat))
            trainer._update_actor(batch, metrics)
        finally:
            trainer_base.tq = ours.tq = transfer_queue
        sent = sum(STEP.lengths[KEYS.index(key)] for key in self.sent)
        weights = queue.fields["advantages"].to_padded_tensor(0.0) / (sent if variant == "token-mean" else 1)
        return Answer(weights=weights, loss=metrics["actor/loss"], gradient=dict(self.gradient))

    places = (range(12), range(12, ROWS))
    """Of the rollouts that workers hold: the driver has them all, whoever made them, so that one may have more, and half of a group."""
    whole_groups, weighed = False, True

    def shared(self, cases):
        """One driver that computes for two ranks of an actor, and where it is `alone` for one after the other."""
        return [self._shares(credit, self.places if alone else (range(ROWS),)) for credit, alone in cases]

    def _shares(self, credit, batches):
        import transfer_queue
        from transfer_queue import KVBatchMeta
        from verl.trainer.ppo.v1 import trainer_base

        from counterpoise.engines.verl import trainer as ours

        queue = self.queue = Queue(KEYS)
        trainer_base.tq = ours.tq = queue
        found = torch.zeros(ROWS, max(STEP.lengths))
        try:
            step = self._stored(None)
            for rows in batches:
                _, trainer = self._trainer(credit, None, "token-sum", ranks=2, max_unscored=1.0)
                batch = KVBatchMeta(
                    partition_id="train", keys=[KEYS[row] for row in rows], tags=[step.tags[row] for row in rows],
                    extra_info=dict(step.extra_info),
                )  # fmt: skip
                held, queue.fields = queue.fields, dict(queue.fields)
                trainer._compute_advantage(batch, {})
                own, queue.fields = queue.fields["advantages"].to_padded_tensor(0.0), held
                found[list(rows), : own.shape[1]] = own.float()
        finally:
            trainer_base.tq = ours.tq = transfer_queue
        return [found[list(rows)] for rows in self.places]

    def _trainer(self, credit, denominator, variant, *, ranks=1, **more):
        from omegaconf import open_dict

        from counterpoise.engines.verl.trainer import SignedPPOTrainer

        config = copy.deepcopy(self.config)
        with open_dict(config):
            table = {"rule": credit} if isinstance(credit, str) else credit
            config.algorithm.counterpoise = {**table, "task_key": "data_source", **more} | (
                {} if denominator is None else {"denominator": denominator}
            )
            config.actor_rollout_ref.actor.loss_agg_mode = variant
        trainer = SignedPPOTrainer(config)
        trainer.total_training_steps, trainer.global_steps = STEPS, 1
        trainer.actor_rollout_wg = SimpleNamespace(
            _dispatch_info={"actor": list(range(ranks))}, update_actor=self._update
        )
        return config, trainer

    def parity(self):
        """Log-probabilities of a model that has been given what verl pushes to its samplers, and verl's own, after an update."""
        from verl.utils import tensordict_utils as tu
        from verl.workers.utils.padding import response_from_nested

        engine = self.worker.engine
        kept = [parameter.to_local().detach().clone() for parameter in engine.module.parameters()]
        self.rate = 1e-2
        try:
            self.answer("nsr")
            sampler = copy.deepcopy(self.policy)
            pushed = {name: tensor.detach().float() for name, tensor in engine.get_per_tensor_param()[0]}
            sampler.load_state_dict(pushed, strict=False)
            sampler.tie_weights()
            with torch.no_grad():
                before, after = (
                    response_log_probs(model, STEP.rollouts(), temperature=1.0) for model in (self.policy, sampler)
                )
            data = self.queue.kv_batch_get(KEYS, None, _READ)
            for name, value in {"temperature": 1.0, "calculate_entropy": False, "compute_loss": False}.items():
                tu.assign_non_tensor_data(data, key=name, val=value)
            own = response_from_nested(self.worker.infer_batch(data)["log_probs"], data["response_mask"])
        finally:
            self.rate = None
            with torch.no_grad():
                for parameter, value in zip(engine.module.parameters(), kept, strict=True):
                    parameter.to_local().copy_(value)
        gap = parity_gap(after.log_probs, own.to_padded_tensor(0.0), after.mask)
        return gap, parity_gap(before.log_probs, after.log_probs, after.mask)

    def stored(self):
        """The step in a queue of its own, as verl's trainer finds it; `queue` holds its fields."""
        self.queue = Queue(KEYS)
        return self._stored(None)

    def _kept(self):
        self.gradient = gradients(self.worker.engine.module)
        if self.rate is None:
            return 0.0  # the next answer is of the same policy
        for group in self.worker.engine.optimizer.param_groups:
            group["lr"] = self.rate
        return self.step()

    def _update(self, batch):
        """verl's own update of its actor, on what the queue holds, with the settings that its actor has."""
        from verl.utils import tensordict_utils as tu

        self.sent = batch.keys
        vars(self.actor)["loss_agg_mode"] = self.variant  # verl freezes it
        names = [name for name in self.queue.fields if name not in {"uid", "extra_fields", "data_source", "rm_scores"}]
        data = self.queue.kv_batch_get(batch.keys, batch.partition_id, names)
        for name, value in batch.extra_info.items():
            tu.assign_non_tensor_data(data, key=name, val=value)
        output = self.worker.train_mini_batch(data)
        return {"metrics": tu.get(output, "metrics")}

    def _stored(self, shift):
        """The step as agent loops put it into the queue, and the fields that verl has added before advantages."""
        from transfer_queue import KVBatchMeta

        with torch.no_grad():
            out = response_log_probs(self.policy, STEP.rollouts(), temperature=1.0)
        whole = [[*prompt, *response] for prompt, response in zip(STEP.prompts, STEP.responses, strict=True)]
        ones = [[1] * length for length in STEP.lengths]
        old = out.log_probs if shift is None else out.log_probs + shift
        self.queue.fields = {
            "uid": [f"g{group}" for group in STEP.groups],
            "data_source": list(STEP.kinds),
            "extra_fields": [{"reward_extra_info": _info(row)} for row in range(ROWS)],
            "prompts": _nested(STEP.prompts),
            "responses": _nested(STEP.responses),
            "response_mask": _nested(ones),
            "loss_mask": _nested(ones),
            "input_ids": _nested(whole),
            "position_ids": _nested([list(range(len(ids))) for ids in whole]),
            "rm_scores": last([reward or 0.0 for reward in STEP.rewards]),
            "rollout_log_probs": _jagged(out.log_probs),
            "old_log_probs": _jagged(old),
            "entropy": _jagged(out.entropy),
        }
        tags = [{"seq_len": len(ids)} for ids in whole]
        return KVBatchMeta(partition_id="train", keys=list(KEYS), tags=tags, extra_info={"temperature": 1.0})


def _info(row):
    parts = {name: values[row] for name, values in STEP.parts.items()}
    return {"scored": STEP.rewards[row] is not None, **parts}


def _nested(rows):
    return torch.nested.as_nested_tensor([torch.tensor(row) for row in rows], layout=torch.jagged)


def _jagged(table):
    return _nested_of([table[row, :length] for row, length in enumerate(STEP.lengths)])


def _nested_of(rows):
    return torch.nested.as_nested_tensor([row.clone() for row in rows], layout=torch.jagged)


def last(rewards):
    """verl's form of a response's reward: on its last token."""
    return _nested([[0.0] * (length - 1) + [reward] for length, reward in zip(STEP.lengths, rewards, strict=True)])
