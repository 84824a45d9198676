"""The rows that verl computes anything over: old log-probabilities, the reference's, the update; and what comes out is as with all rows."""

import copy
from types import SimpleNamespace

import pytest
import torch
from driving import STEP

from counterpoise.engines.contract import Answer, answer_of, breaches, gradients
from counterpoise.engines.outside import compose
from counterpoise.learner.forward import response_log_probs

ROWS = len(STEP.rewards)
MEASURED = ("old_log_probs", "entropy")
"""What verl's own pass over the rows makes."""


class RowQueue:
    """What the trainer asks of the transfer queue, row by row: of several rows it has the fields that all of them have."""

    def __init__(self, keys, fields):
        self.rows = {}
        self.kv_batch_put(keys, None, fields)

    def kv_batch_put(self, keys, partition_id, fields):
        for place, key in enumerate(keys):
            row = self.rows.setdefault(key, {})
            for name in list(fields.keys()):
                value = fields[name][place]
                row[name] = getattr(value, "data", value) if not isinstance(value, torch.Tensor) else value

    def kv_batch_get(self, keys, partition_id, select_fields):
        from verl.utils import tensordict_utils as tu

        common = set.intersection(*(set(self.rows[key]) for key in keys)) & set(select_fields)
        return tu.get_tensordict({name: _column([self.rows[key][name] for key in keys]) for name in sorted(common)})


def _column(values):
    if not isinstance(values[0], torch.Tensor):
        return values
    return torch.nested.as_nested_tensor([value.clone() for value in values], layout=torch.jagged)


@pytest.fixture
def step(engine, monkeypatch):
    """`step(credit)`: a whole step of our trainer on verl's engine, and the rows of each pass."""
    import transfer_queue
    from omegaconf import open_dict
    from verl.trainer.ppo.v1 import trainer_base
    from verl.utils import tensordict_utils as tu

    from counterpoise.engines.verl import trainer as ours

    def run(credit, shifts=(0.0,) * ROWS, **correction):
        config = copy.deepcopy(engine.config)
        with open_dict(config):
            config.algorithm.counterpoise = {**credit, "task_key": "data_source"}
            config.actor_rollout_ref.actor.loss_agg_mode = "token-sum"
            config.algorithm.rollout_correction.update(correction)
            for name in ("rollout", "ref"):  # more than are passed, and no divisor of their number
                config.actor_rollout_ref[name].log_prob_micro_batch_size_per_gpu = 16
        passes = {"old": [], "reference": [], "update": []}

        def measured(name):
            def measure(batch):
                passes[name].append(list(batch.keys))
                data = queue.kv_batch_get(
                    batch.keys,
                    None,
                    ["prompts", "responses", "response_mask", "loss_mask", "input_ids", "position_ids"],
                )
                for key, value in batch.extra_info.items():
                    tu.assign_non_tensor_data(data, key=key, val=value)
                found = engine.worker.infer_batch(data)
                queue.kv_batch_put(
                    batch.keys,
                    None,
                    {key: found[key] for key in ("log_probs", "entropy") if key in found.keys()},  # noqa: SIM118
                )
                return batch

            return measure

        def update(batch):
            passes["update"].append(list(batch.keys))
            engine.queue = queue
            engine.sent = batch.keys
            vars(engine.actor)["loss_agg_mode"] = "token-sum"
            names = [
                "prompts",
                "responses",
                "response_mask",
                "loss_mask",
                "input_ids",
                "position_ids",
                "old_log_probs",
                "advantages",
                "returns",
                "rollout_is_weights",
            ]
            data = queue.kv_batch_get(batch.keys, None, names)
            for key, value in batch.extra_info.items():
                tu.assign_non_tensor_data(data, key=key, val=value)
            return {"metrics": tu.get(engine.worker.train_mini_batch(data), "metrics")}

        trainer = ours.SignedPPOTrainer(config)
        trainer.total_training_steps, trainer.global_steps, trainer.ref_in_actor = 4, 1, False
        trainer.actor_rollout_wg = SimpleNamespace(
            _dispatch_info={"actor": [0]}, compute_log_prob=measured("old"), update_actor=update
        )
        trainer.ref_policy_wg = SimpleNamespace(compute_ref_log_prob=measured("reference"))
        batch = engine.stored()
        fields = {name: value for name, value in engine.queue.fields.items() if name not in MEASURED}
        queue = RowQueue(batch.keys, fields)
        for row, shift in zip(queue.rows.values(), shifts, strict=True):  # the sampler's were so much less
            row["rollout_log_probs"] = row["rollout_log_probs"] - shift
        monkeypatch.setattr(trainer_base, "tq", queue)
        monkeypatch.setattr(ours, "tq", queue)
        monkeypatch.setattr(queue, "kv_batch_put", _returning(queue.kv_batch_put, batch))
        metrics = {}
        try:
            for part in (
                trainer._compute_old_log_prob,
                trainer._compute_ref_log_prob,
                trainer._compute_advantage,
                trainer._update_actor,
            ):
                batch = part(batch, metrics)
        finally:
            monkeypatch.setattr(trainer_base, "tq", transfer_queue)
            monkeypatch.setattr(ours, "tq", transfer_queue)
        whole = queue.kv_batch_get(batch.keys, None, ["advantages", "returns"])
        weights = whole["advantages"].to_padded_tensor(0.0)
        return (
            passes,
            metrics,
            SimpleNamespace(weights=weights, loss=metrics.get("actor/loss"), gradient=dict(engine.gradient)),
        )

    return run


def _returning(put, batch):
    def kv_batch_put(keys, partition_id, fields):
        put(keys, partition_id, fields)
        places = [batch.keys.index(key) for key in keys]
        return type(batch)(
            partition_id=partition_id,
            keys=list(keys),
            tags=[batch.tags[place] for place in places],
            extra_info=dict(batch.extra_info),
        )

    return kv_batch_put


@pytest.mark.parametrize(
    "credit", [{"rule": "nsr"}, {"rule": "psr"}, {"rule": "grpo", "emphasis": "focal"}], ids=lambda one: one["rule"]
)
def test_no_pass_is_made_over_rows_without_credit(engine, step, credit):
    parts = compose(credit, engine="here", steps=4, length=12, kinds=("a", "b"))
    wanted = answer_of(engine.policy, STEP, parts, loss=engine.loss)
    passes, metrics, found = step(credit)
    credited = int((wanted.weights != 0).any(dim=1).sum())
    assert 0 < credited < ROWS - 8  # there is something to save
    (old,), (reference,), (update,) = passes.values()
    assert old == reference == update and credited <= len(update) < credited + 8  # to whole micro-batches
    assert breaches(found, wanted) == []  # weights of every row, the loss and the gradient
    assert metrics["credit/entropy_sampled"] > 0 and 0 < metrics["actor/entropy"] < 6
    assert metrics["credit/coverage"] == pytest.approx(float(parts.step(_batch())[1]["coverage"].mean))


@pytest.mark.parametrize(
    ("threshold", "weight"),
    [
        (2.0, 1.6487212707),  # e^0.5
        (1.5, 1.5),  # cut off there
        ("0.5_1.5", 0.0),  # outside of both
    ],
)
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_verls_importance_weights_multiply_the_loss_and_leave_the_denominator(engine, step, level, threshold, weight):
    credit = {"rule": "nsr"}
    parts = compose(credit, engine="here", steps=4, length=12, kinds=("a", "b"))
    plain = answer_of(engine.policy, STEP, parts, loss=engine.loss)
    odd = torch.arange(ROWS) % 2
    # nats of each token of every other row; those of a response are added up
    shifts = [
        0.5 * one / (length if level == "sequence" else 1)
        for one, length in zip(odd.tolist(), STEP.lengths, strict=True)
    ]
    _, metrics, found = step(credit, shifts, rollout_is=level, rollout_is_threshold=threshold)
    out = response_log_probs(engine.policy, STEP.rollouts(), temperature=1.0)
    weighed = plain.weights * torch.where(odd == 1, weight, 1.0).unsqueeze(1)
    torch.autograd.backward(-(weighed * out.log_probs * out.mask).sum())  # the ratio is 1
    wanted = Answer(weights=plain.weights, loss=-float(weighed.sum()), gradient=gradients(engine.policy))
    engine.policy.zero_grad()
    assert breaches(found, wanted) == []
    assert breaches(found, plain) != []
    assert 0 < metrics["rollout_corr/rollout_is_mean"] < 2


def _batch():
    from counterpoise.engines.outside import rewarded_batch

    rewards = torch.tensor([float("nan") if reward is None else reward for reward in STEP.rewards])
    return rewarded_batch(
        rewards, low=0, high=1, group_ids=torch.tensor(STEP.groups), lengths=torch.tensor(STEP.lengths)
    )


@pytest.mark.parametrize(
    "credit",
    [
        {"rule": "nsr", "filter": "none"},
        {"rule": "weighted_reinforce", "token_weights": "probability"},
        {"rule": "fade"},
    ],
    ids=str,
)
def test_what_reads_log_probabilities_gets_those_of_every_row(step, credit):
    passes, _, _ = step(credit)
    (old,), (reference,) = passes["old"], passes["reference"]
    assert len(old) == len(reference) == ROWS
