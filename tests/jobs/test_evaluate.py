import pytest
from safetensors.torch import load_file

from counterpoise.engines.local.loop import train
from counterpoise.errors import CheckpointError, StoreError
from counterpoise.jobs.evaluate import evaluate_model, evaluate_run, first_problems
from counterpoise.runs.directory import RunDirectory
from counterpoise.types import Problem


def test_a_lora_checkpoint_holds_the_adapter_alone_and_is_evaluated(configure):
    run = RunDirectory.create(configure("model.lora.rank=2", "model.lora.alpha=4", "learner.steps=2"))
    train(run)
    policy = run.checkpoints / "step-000002" / "policy"
    assert (policy / "adapter_config.json").is_file()
    assert not (policy / "model.safetensors").exists()
    adapter = load_file(policy / "adapter_model.safetensors")
    assert adapter
    assert all("lora_" in name for name in adapter)
    # A starts random and B at zero, so that B shows whether anything was trained
    assert any(weight.any() for name, weight in adapter.items() if "lora_B" in name)
    step, result = evaluate_run(run)
    assert (step, [problem.n for problem in result.counts]) == (2, [4, 4, 4, 4])


def test_what_the_run_drew_itself_is_not_drawn_again(configure):
    run = RunDirectory.create(configure("learner.steps=1", "evaluation.after=true"))
    final = train(run).final
    store = run.evaluation(1) / "rollouts.jsonl"
    before = store.read_bytes()
    assert evaluate_run(run)[1].counts == final.counts
    assert store.read_bytes() == before


def test_a_step_without_a_checkpoint_is_refused(configure):
    run = RunDirectory.create(configure("learner.steps=1"))
    with pytest.raises(CheckpointError, match=r"no intact checkpoint; continue it with: counterpoise train"):
        evaluate_run(run)
    train(run)
    with pytest.raises(CheckpointError, match=r"step-000007 cannot be used \(absent\); steps there: 1"):
        evaluate_run(run, step=7)


def test_a_model_is_evaluated_where_it_is_told_and_a_store_keeps_its_settings(configure, tmp_path):
    result = evaluate_model(configure(), directory=tmp_path / "store")
    assert [problem.n for problem in result.counts] == [4, 4, 4, 4]
    assert not (tmp_path / "runs").exists()
    with pytest.raises(StoreError):
        evaluate_model(configure("evaluation.temperature=0.5"), directory=tmp_path / "store")


def test_the_first_problems_do_not_depend_on_the_order_of_the_file():
    problems = [
        Problem(problem_id=i, task_type="t", question="q", gold="g", verifier="exact") for i in ("c", "a", "d", "b")
    ]
    assert [problem.problem_id for problem in first_problems(problems, 2)] == ["a", "b"]
    assert first_problems(problems, None) == first_problems(problems[::-1], None)
