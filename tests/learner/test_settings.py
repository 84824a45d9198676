import pytest

from counterpoise.errors import UsageError
from counterpoise.learner.settings import LearnerSettings


def test_defaults_are_those_of_the_reference_implementation():
    settings = LearnerSettings()
    assert (settings.learning_rate, settings.betas, settings.weight_decay) == (1e-6, (0.9, 0.999), 0.01)
    assert (settings.gradient_clip, settings.schedule, settings.epochs) == (1.0, "constant", 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": -1.0}, r"learning_rate is -1.0; it must be a finite number of at least 0.0"),
        ({"learning_rate": float("nan")}, r"learning_rate is nan"),
        ({"epochs": 0}, r"epochs is 0; it must be a finite number of at least 1"),
        ({"minibatch_prompts": 0}, r"minibatch_prompts is 0"),
        ({"tokens_per_microbatch": 0}, r"tokens_per_microbatch is 0"),
        ({"chunk_tokens": 0}, r"chunk_tokens is 0"),
        ({"betas": (0.9, 1.0)}, r"betas is \(0.9, 1.0\); both must lie in \[0, 1\)"),
        ({"gradient_clip": 0.0}, r"gradient_clip is 0.0; give a positive norm, or None for no clipping"),
        ({"schedule": "cosine"}, r"schedule 'cosine' decays to zero at total_steps, which is not set; set it"),
        (
            {"schedule": "linear", "total_steps": 5, "warmup_steps": 5},
            r"warmup_steps=5 leaves none of the 5 optimiser updates",
        ),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        LearnerSettings(**values)
