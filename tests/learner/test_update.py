import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from counterpoise.errors import CheckpointError, TrainingError, UsageError
from counterpoise.learner.forward import response_log_probs
from counterpoise.learner.report import RefusedStepError
from counterpoise.types import Credit, LossOutput, Sum

ADVANTAGES = (1.0, -1.0, 0.0, -0.5, 0.0, 2.0, -1.0, 0.0)
GROUPS = (0, 0, 1, 1, 2, 2, 3, 3)


def _batch(build, advantages=ADVANTAGES):
    rollouts = build.ragged(len(advantages))
    return rollouts, build.credit(*advantages), torch.ones(len(advantages), dtype=torch.bool), GROUPS[: len(advantages)]


def _change(build, learner, model, *batch, **options):
    before = build.parameters(model)
    return learner.update(*batch, seed=0, **options), build.parameters(model) - before


def test_one_update_is_one_adamw_step_on_the_naive_gradient(build):
    model = build.llama()
    twin = copy.deepcopy(model)
    rollouts, credit, scored, groups = _batch(build)
    report = build.learner(model, gradient_clip=0.5).update(rollouts, credit, scored, groups, seed=0)

    optimiser = torch.optim.AdamW(twin.parameters(), lr=1e-2, weight_decay=0.01)
    loss = torch.zeros(())
    for row, advantage in zip(rollouts, ADVANTAGES, strict=True):
        log_probs, _ = build.naive(twin, row)
        loss = loss - (advantage * torch.exp(log_probs - torch.from_numpy(row.log_probs))).sum()
    loss = loss / sum(len(row.token_ids) for row in rollouts)  # zero credit is in the count
    loss.backward()
    norm = nn.utils.clip_grad_norm_(twin.parameters(), 0.5).item()
    optimiser.step()

    assert report.metrics["loss"].mean == pytest.approx(loss.item(), rel=1e-5)
    assert report.metrics["gradient_norm"].mean == pytest.approx(norm, rel=1e-5)
    assert report.metrics["gradient_clipped"] == Sum(total=1.0, count=1.0)
    assert report.metrics["learning_rate"].mean == 1e-2
    assert torch.allclose(build.parameters(model), build.parameters(twin), atol=2e-5)


def test_rows_without_credit_never_reach_the_model(build):
    model = build.llama()
    seen = []
    learner = build.learner(model, compiled=False)  # compiled ones take rows end to end, as one
    model.model.embed_tokens.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    rollouts, credit, scored, groups = _batch(build)
    report = learner.update(rollouts, credit, scored, groups, seed=0)
    lengths = [len(row.token_ids) for row in rollouts]
    assert sum(seen) == 5
    assert report.tokens_trained == sum(n for n, a in zip(lengths, ADVANTAGES, strict=True) if a)
    assert report.tokens_saved == sum(n for n, a in zip(lengths, ADVANTAGES, strict=True) if not a)
    assert report.optimiser_steps == 1


def test_chosen_rows_without_credit_feel_the_other_terms_of_the_loss(build):
    rollouts, credit, scored, groups = _batch(build)
    scored[7] = False
    ends = []
    for trained in (None, credit.nonzero, torch.ones(8, dtype=torch.bool)):
        model = build.llama()
        learner = build.learner(model, needs_entropy=True)
        report = learner.update(rollouts, credit, scored, groups, seed=0, trained=trained)
        ends.append((report.tokens_trained, build.parameters(model)))
    assert ends[2][0] == sum(
        len(row.token_ids) for row in rollouts[:7]
    )  # the unscored one stays out whatever is chosen
    assert torch.equal(ends[0][1], ends[1][1]) and not torch.equal(ends[0][1], ends[2][1])


def test_a_batch_without_credit_takes_no_step(build):
    model = build.llama()
    learner = build.learner(model)
    report, change = _change(build, learner, model, *_batch(build, (0.0,) * 4))
    assert not change.any()
    assert (report.optimiser_steps, report.skipped_steps, report.tokens_trained, learner.updates) == (0, 1, 0, 0)
    assert math.isnan(report.sampler_gap_max)


def test_an_empty_batch_takes_no_step(build):
    model = build.llama()
    report, change = _change(
        build, build.learner(model), model, [], build.credit(), torch.zeros(0, dtype=torch.bool), ()
    )
    assert not change.any()
    assert report.optimiser_steps == 0


@pytest.mark.parametrize(("prompts", "epochs", "steps"), [(None, 1, 1), (2, 1, 2), (3, 1, 2), (1, 2, 8), (4, 3, 3)])
def test_steps_are_mini_batches_times_epochs(build, prompts, epochs, steps):
    learner = build.learner(build.llama(), minibatch_prompts=prompts, epochs=epochs)
    report = learner.update(*_batch(build, (1.0, -1.0) * 4), seed=0)  # 4 groups
    assert report.optimiser_steps == learner.updates == steps
    assert report.metrics["loss"].count == steps
    assert report.tokens_trained == epochs * sum(len(row.token_ids) for row in build.ragged(8))


def test_a_mini_batch_without_credit_is_skipped(build):
    learner = build.learner(build.llama(), minibatch_prompts=1)
    report = learner.update(*_batch(build, (1.0, -1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)), seed=0)
    assert (report.optimiser_steps, report.skipped_steps) == (2, 2)  # groups 1 and 3 carry nothing


def test_micro_batches_do_not_change_the_result(build):
    ends = []
    for budget in (1, 20, 10_000):
        model = build.llama()
        build.learner(model, tokens_per_microbatch=budget).update(*_batch(build), seed=0)
        ends.append(build.parameters(model))
    assert torch.allclose(ends[0], ends[2], atol=1e-5) and torch.allclose(ends[1], ends[2], atol=1e-5)


def test_resuming_is_bit_exact(build):
    settings = {"schedule": "cosine", "warmup_steps": 2, "total_steps": 16, "minibatch_prompts": 2}
    straight = build.llama()
    learner = build.learner(straight, **settings)
    for step in range(4):
        learner.update(*_batch(build), seed=step)
        if step == 1:
            weights, state = copy.deepcopy(straight.state_dict()), copy.deepcopy(learner.state_dict())
    resumed = build.llama(seed=9)
    resumed.load_state_dict(weights)
    again = build.learner(resumed, **settings)
    again.load_state_dict(state)
    for step in (2, 3):
        again.update(*_batch(build), seed=step)
    assert again.updates == learner.updates == 8
    assert torch.equal(build.parameters(straight), build.parameters(resumed))


def test_a_state_of_another_model_is_refused(build):
    state = build.learner(build.llama(layers=1)).state_dict()
    with pytest.raises(CheckpointError, match="the saved optimiser state does not fit this model"):
        build.learner(build.llama()).load_state_dict(state)
    with pytest.raises(CheckpointError, match="resume with the model and the LoRA settings"):
        build.learner(build.llama()).load_state_dict({})


def test_a_loss_that_is_not_finite_is_refused_with_its_evidence(build):
    model = build.llama()

    def broken(**inputs):
        output = build.reinforce(**inputs)
        return LossOutput(row_sums=output.row_sums * float("nan"), lengths=output.lengths, metrics=output.metrics)

    rollouts, credit, scored, groups = _batch(build)
    learner = build.learner(model, loss=broken)
    before = build.parameters(model)
    with pytest.raises(
        RefusedStepError, match=r"optimiser step 1 refused \(epoch 1, mini-batch 1 of 1\): loss nan, gradient norm nan"
    ) as caught:
        learner.update(rollouts, credit, scored, groups, seed=0)
    assert torch.equal(build.parameters(model), before)
    assert learner.updates == 0
    assert all(parameter.grad is None for parameter in model.parameters())
    error = caught.value
    assert isinstance(error, TrainingError)
    assert error.rows == (0, 1, 3, 5, 6)
    assert [row.problem_id for row in error.rollouts] == ["p0", "p1", "p3", "p5", "p6"]
    assert error.credit.advantages.tolist() == [1.0, -1.0, -0.5, 2.0, -1.0]
    assert "The parameters are those after step 0" in str(error)


def test_a_refusal_names_broken_sampler_log_probs_and_broken_parameters(build):
    model = build.llama()
    rollouts, *rest = _batch(build)
    rollouts[0] = replace(rollouts[0], log_probs=np.full_like(rollouts[0].log_probs, -np.inf))
    count = len(rollouts[0].log_probs)
    with pytest.raises(RefusedStepError, match=f"; {count} of the sampler's log-probabilities are not finite"):
        build.learner(model).update(rollouts, *rest, seed=0)
    model.lm_head.weight.data[0, 0] = float("nan")
    with pytest.raises(RefusedStepError, match=r"; 1 parameters are not finite already, the first is 'model.embed"):
        build.learner(model).update(*_batch(build), seed=0)


def test_only_the_broken_step_is_refused(build):
    model = build.llama()
    calls = []

    def breaks_later(**inputs):
        calls.append(1)
        output = build.reinforce(**inputs)
        return replace(output, row_sums=output.row_sums * (float("inf") if len(calls) == 3 else 1.0))

    learner = build.learner(model, loss=breaks_later, minibatch_prompts=1)
    with pytest.raises(RefusedStepError, match=r"step 3 refused \(epoch 1, mini-batch 3 of 4\)"):
        learner.update(*_batch(build, (1.0, -1.0) * 4), seed=0)
    assert learner.updates == 2


def test_gradients_of_the_two_signs_add_up_to_the_whole(build):
    model = build.llama()
    report = build.learner(model, gradient_clip=None).update(*_batch(build), seed=0, measure_signs=True)
    plus, minus, cosine, whole = (
        report.metrics[f"gradient_{name}"].mean for name in ("norm_plus", "norm_minus", "cosine", "norm")
    )
    assert whole**2 == pytest.approx(plus**2 + minus**2 + 2 * plus * minus * cosine, rel=1e-4)
    assert report.metrics["ratio"].count == report.tokens_trained  # the extra passes are not in the metrics


def test_measuring_the_signs_changes_nothing(build):
    ends = []
    for measure in (False, True):
        model = build.llama()
        build.learner(model).update(*_batch(build), seed=0, measure_signs=measure)
        ends.append(build.parameters(model))
    assert torch.equal(*ends)


def test_a_missing_sign_has_norm_zero_and_no_cosine(build):
    report = build.learner(build.llama()).update(*_batch(build, (-1.0, 0.0)), seed=0, measure_signs=True)
    assert report.metrics["gradient_norm_plus"].mean == 0.0
    assert report.metrics["gradient_norm_minus"].mean == pytest.approx(report.metrics["gradient_norm"].mean, rel=1e-5)
    assert math.isnan(report.metrics["gradient_cosine"].mean)


def _exact(build, model, shift=0.0):
    """Rollouts whose recorded log-probabilities are the model's, moved by `shift`."""
    rows = []
    for row in build.ragged(8):
        with torch.no_grad():
            rows.append(replace(row, log_probs=build.naive(model, row)[0].numpy() + np.float32(shift)))
    return rows


def test_the_gap_between_sampler_and_learner_is_measured_before_the_first_step(build):
    model = build.llama()
    rollouts = _exact(build, model, shift=0.25)
    rollouts[0].log_probs[0] += 0.5
    _, *rest = _batch(build)
    report = build.learner(model, epochs=3).update(rollouts, *rest, seed=0)
    tokens = report.tokens_trained / 3
    assert report.metrics["sampler_gap"].count == tokens
    assert report.metrics["sampler_gap"].mean == pytest.approx(0.25 + 0.5 / tokens, abs=1e-5)
    assert report.sampler_gap_max == pytest.approx(0.75, abs=1e-5)


@pytest.mark.parametrize(
    ("old", "epochs", "forwards", "ratio_is_one"),
    [("sampler", 1, 1, False), ("sampler", 2, 2, False), ("learner", 1, 1, True), ("learner", 2, 3, False)],
)
def test_old_log_probs_cost_a_forward_only_when_several_steps_need_the_learners_own(
    build, old, epochs, forwards, ratio_is_one
):
    model = build.llama()
    learner = build.learner(model, old_log_probs=old, epochs=epochs)
    seen = []
    model.model.register_forward_hook(lambda *_: seen.append(1))
    report = learner.update(*_batch(build), seed=0)
    assert len(seen) == forwards
    assert (report.metrics["ratio"].mean == 1.0) == ratio_is_one


def test_exact_sampler_log_probs_give_ratio_one_in_the_first_step(build):
    model = build.llama()
    rollouts = _exact(build, model)
    report = build.learner(model).update(rollouts, *_batch(build)[1:], seed=0)
    assert report.metrics["ratio"].mean == pytest.approx(1.0, abs=1e-5)


def test_the_reference_reaches_the_loss_without_gradient(build):
    seen = []

    def watch(**inputs):
        seen.append(inputs)
        return build.reinforce(**inputs)

    reference = build.llama(seed=1)
    learner = build.learner(build.llama(), loss=watch, reference=reference, needs_reference=True)
    rollouts, *rest = _batch(build)
    learner.update(rollouts, *rest, seed=0)
    live = [rollouts[row] for row in (0, 1, 3, 5, 6)]
    expected = sorted(build.naive(reference, row)[0].sum().item() for row in live)
    assert sorted(seen[0]["reference_log_probs"].sum(1).tolist()) == pytest.approx(expected, rel=1e-5)
    assert not seen[0]["reference_log_probs"].requires_grad
    assert seen[0]["entropy"] is None


def test_each_row_is_held_to_the_reference_by_its_own_weight(build):
    seen = []

    def watch(**inputs):
        seen.append(inputs)
        return build.reinforce(**inputs)

    reference = build.llama(seed=1)
    learner = build.learner(build.llama(), loss=watch, reference=reference, needs_reference=True)
    rollouts, *rest = _batch(build)
    weights = torch.arange(len(rollouts), dtype=torch.float32) / 10
    learner.update(rollouts, *rest, seed=0, kl_weights=weights)
    live = [0, 1, 3, 5, 6]
    base = {round(build.naive(reference, rollouts[row])[0].sum().item(), 3): row for row in live}
    found = {}
    for inputs in seen:
        for log_probs, weight in zip(inputs["reference_log_probs"].sum(1), inputs["kl_weights"], strict=True):
            found[base[round(log_probs.item(), 3)]] = weight.item()
    assert found == {row: weights[row].item() for row in live}
    with pytest.raises(UsageError, match=f"kl_weights has 2 rows and there are {len(rollouts)} rollouts"):
        learner.update(rollouts, *rest, seed=0, kl_weights=weights[:2])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft asks for it
def test_lora_trains_the_adapter_alone_and_its_base_is_the_reference(build):
    from peft import LoraConfig, get_peft_model

    base = build.llama()
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    model = get_peft_model(copy.deepcopy(base), config)
    seen = []

    def watch(**inputs):
        seen.append(inputs)
        return build.reinforce(**inputs)

    rollouts = [build.rollout(3, 4)]
    learner = build.learner(model, loss=watch, needs_reference=True)
    learner.update(rollouts, build.credit(1.0), torch.tensor([True]), [0], seed=0)
    assert torch.allclose(seen[0]["reference_log_probs"], build.naive(base, rollouts[0])[0], atol=1e-5)
    assert not torch.allclose(seen[0]["reference_log_probs"], seen[0]["log_probs"], atol=1e-3)
    changed = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert changed and all("lora_" in name for name in changed)
    assert torch.equal(model.get_base_model().model.embed_tokens.weight, base.model.embed_tokens.weight)


def test_an_entropy_term_moves_the_parameters(build):
    seen = []

    def watch(**inputs):
        seen.append(inputs["entropy"].requires_grad)
        return build.reinforce(**inputs)

    build.learner(build.llama(), loss=watch, needs_entropy=True).update(*_batch(build), seed=0)
    assert seen == [True]


def test_entropy_is_measured_by_sign(build):
    model = build.llama()
    rollouts, *rest = _batch(build)
    truth = [build.naive(model, row)[1].sum().item() for row in rollouts]
    metrics = build.learner(model).update(rollouts, *rest, seed=0).metrics
    assert metrics["entropy_plus"].total == pytest.approx(truth[0] + truth[5], rel=1e-5)
    assert metrics["entropy_minus"].total == pytest.approx(truth[1] + truth[3] + truth[6], rel=1e-5)
    assert metrics["entropy"].total == pytest.approx(metrics["entropy_plus"].total + metrics["entropy_minus"].total)
    assert metrics["entropy"].count == sum(len(rollouts[row].token_ids) for row in (0, 1, 3, 5, 6))


def test_credit_per_token_equals_credit_per_row_when_constant(build):
    ends = []
    rollouts, credit, *rest = _batch(build)
    spread = Credit(plus=credit.plus[:, None].expand(8, 12), minus=credit.minus[:, None].expand(8, 12))
    for given in (credit, spread):
        model = build.llama()
        build.learner(model).update(rollouts, given, *rest, seed=0, measure_signs=True)
        ends.append(build.parameters(model))
    assert torch.allclose(*ends, atol=1e-6)


def test_dropout_is_off_and_every_mode_comes_back(build):
    model = build.llama()
    model.config.attention_dropout = 0.9
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.9
    model.train()
    model.lm_head.eval()
    report = build.learner(model).update(_exact(build, build.llama()), *_batch(build)[1:], seed=0)
    assert report.sampler_gap_max < 1e-5
    assert model.model.training and not model.lm_head.training


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
def test_gradient_checkpointing_works_in_evaluation_mode_and_gives_the_same_step(build):
    ends = []
    passes = []
    for checkpointing in (False, True):
        model = build.llama().eval()
        if checkpointing:
            model.gradient_checkpointing_enable()
        # one row after the other or padded, by the same operators: AdamW makes a step of what is next to nothing, too
        learner = build.learner(model, epsilon=1e-3)
        seen = []
        model.model.layers[0].mlp.register_forward_pre_hook(lambda *_, seen=seen: seen.append(1))
        learner.update(*_batch(build), seed=0)
        passes.append(len(seen))
        ends.append(build.parameters(model))
        assert not any(module.training for module in model.modules())
    assert passes == [1, 2]  # forward, and again in the backward pass
    assert torch.allclose(*ends, atol=1e-6)


def test_greedy_rollouts_count_as_temperature_one(build):
    rollouts, *rest = _batch(build)
    ends = []
    for temperature in (1.0, 0.0):
        model = build.llama()
        build.learner(model).update([replace(row, temperature=temperature) for row in rollouts], *rest, seed=0)
        ends.append(build.parameters(model))
    assert torch.equal(*ends)


def test_mixed_precision_keeps_float32_master_weights(build):
    model = build.llama(hidden=32)
    accelerator = build.one_process()
    accelerator.mixed_precision = "bf16"
    accelerator.autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
    report = build.learner(model, accelerator=accelerator).update(*_batch(build), seed=0)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = response_log_probs(model, [build.rollout(2, 3)], temperature=1.0)
    assert out.log_probs.dtype == torch.float32
    assert math.isfinite(report.metrics["loss"].mean)


def test_unfit_learners_are_refused(build):
    half = build.one_process()
    half.mixed_precision = "fp16"
    with pytest.raises(UsageError, match="mixed precision 'fp16' needs loss scaling"):
        build.learner(build.llama(), accelerator=half)
    with pytest.raises(UsageError, match="the loss has a KL term and no reference policy was given"):
        build.learner(build.llama(), needs_reference=True)
    with pytest.raises(UsageError, match=r"trainable parameter 'model\.embed_tokens\.weight' is torch.bfloat16"):
        build.learner(build.llama().bfloat16())
    with pytest.raises(UsageError, match="no parameter of the model requires a gradient; unfreeze it"):
        build.learner(build.llama().requires_grad_(False))


def test_unfit_batches_are_refused(build):
    learner = build.learner(build.llama())
    rollouts, credit, scored, groups = _batch(build)
    for arguments, message in (
        (
            (rollouts[1:], credit, scored, groups),
            "credit.plus has 8 rows and there are 7 rollouts; give one row for each",
        ),
        ((rollouts, credit, scored[1:], groups), "scored has 7 rows and there are 8 rollouts"),
        ((rollouts, credit, scored, groups[1:]), "group_ids has 7 rows and there are 8 rollouts"),
        ((rollouts, credit, ~scored, groups), "a rollout without a verdict carries credit"),
        (
            ([replace(rollouts[0], temperature=0.5), *rollouts[1:]], credit, scored, groups),
            r"temperatures \[0.5, 1.0\]",
        ),
        (
            (rollouts, Credit(plus=torch.ones(8, 2), minus=torch.zeros(8, 2)), scored, groups),
            "credit covers 2 tokens and the longest response has 8; pad it with zeros",
        ),
    ):
        with pytest.raises(UsageError, match=message):
            learner.update(*arguments[:4], seed=0, trained=arguments[4] if len(arguments) > 4 else None)
