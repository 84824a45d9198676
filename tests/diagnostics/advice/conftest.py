import pytest

from counterpoise.diagnostics.advice.profile import Plan


@pytest.fixture(scope="session")
def lab():
    """What a run in the lab is about to do: 100 steps of 64 x 8 with a small model."""
    return Plan(
        parameters=800_000,
        adapters=False,
        prompts_per_step=64,
        group_size=8,
        max_tokens=20,
        truncated_is="wrong",
        learning_rate=3e-5,
        steps=100,
        guards_act=False,
    )
