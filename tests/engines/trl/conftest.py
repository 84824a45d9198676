"""TRL is in an environment of its own (`make test-trl`); elsewhere these tests are not collected."""

import importlib.util

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("trl") else ["test_*.py"]


@pytest.fixture(scope="session")
def policy():
    from counterpoise.models.load import load_model

    return load_model("lab")


@pytest.fixture(scope="session")
def rows(policy):
    """64 countdown problems as TRL's users have them: a prompt and a column with the gold."""
    from datasets import Dataset

    from counterpoise.prompts import make_prompts
    from counterpoise.tasks.registry import make_task

    task = make_task("countdown")
    problems = sorted(task.problems("train"), key=lambda problem: problem.problem_id)[:64]
    prompts = make_prompts(problems, policy.tokenizer, template=task.template)
    return Dataset.from_list(
        [
            {"prompt": prompt.text, "answer": prompt.problem.gold, "kind": "ab"[i % 2]}
            for i, prompt in enumerate(prompts)
        ]
    )


@pytest.fixture
def make_trainer(policy, rows, tmp_path):
    """A `SignedGRPOTrainer` on a copy of the lab's policy: 4 prompts of 8 responses a step on one process."""
    import copy

    from trl import GRPOConfig

    from counterpoise.engines.trl import SignedGRPOTrainer

    def make(reward=None, *, cls=SignedGRPOTrainer, double=False, data=rows, arguments=(), **named):
        args = GRPOConfig(
            str(tmp_path / "out"),
            **{
                "use_cpu": True, "bf16": False, "per_device_train_batch_size": 32, "num_generations": 8, "max_completion_length": 12,
                "max_steps": 2, "learning_rate": 3e-5, "logging_steps": 1, "report_to": "none", "save_strategy": "no",
                "disable_tqdm": True, **dict(arguments),
            },
        )  # fmt: skip
        model = copy.deepcopy(policy.model)
        return cls(
            model.double() if double else model,
            (lambda completions, **_: [0.0] * len(completions)) if reward is None else reward,
            args,
            train_dataset=data,
            processing_class=policy.tokenizer,
            **named,
        )

    return make
