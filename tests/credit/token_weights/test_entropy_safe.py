import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from counterpoise.credit import TokenContext, make_token_weights
from counterpoise.rollouts.sampling import entropy_and_slope
from counterpoise.types import SamplingSettings


@given(
    seed=st.integers(0, 10**6), tokens=st.integers(2, 12), scale=st.floats(0.1, 4.0), temperature=st.floats(0.3, 2.0)
)
def test_a_negative_is_kept_exactly_where_its_step_raises_the_entropy(seed, tokens, scale, temperature):
    draw = np.random.default_rng(seed)
    logits = torch.from_numpy(draw.normal(0.0, scale, tokens))
    chosen = torch.tensor(int(draw.integers(tokens)))
    # one step of descent on log pi_y, taken both ways: the central difference of the exact entropy
    z = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((z / temperature).log_softmax(-1)[chosen], z)

    def exact(eta):
        log_pi = ((logits - eta * gradient) / temperature).log_softmax(-1)
        return float(-(log_pi.exp() * log_pi).sum())

    slope = (exact(1e-4) - exact(-1e-4)) / 2e-4
    assume(abs(slope) > 1e-5)
    entropy, recorded = entropy_and_slope(logits[None], chosen[None], SamplingSettings(temperature=temperature))
    row = torch.ones(1, dtype=torch.bool)
    context = TokenContext(
        log_probs=torch.full((1, 1), -1.0),
        mask=torch.ones(1, 1, dtype=torch.bool),
        token_ids=torch.zeros(1, 1, dtype=torch.int64),
        group_ids=torch.zeros(1, dtype=torch.int64),
        correct=~row,
        scored=row,
        entropy=entropy[None],
        entropy_slope=recorded[None],
    )
    weights = make_token_weights("entropy_safe")(context)
    assert float(weights.minus[0, 0]) == float(slope > 0)
    assert float(weights.plus[0, 0]) == 1.0
    assert abs(float(recorded) / temperature**2 - slope) < 1e-4 * max(1.0, abs(slope))


def test_confident_mistakes_are_kept_and_rare_wrong_tokens_spared(context):
    logits = torch.tensor([[0.8, 0.15, 0.05]]).log().expand(3, 3)
    _, slope = entropy_and_slope(logits, torch.arange(3), SamplingSettings())
    weights = make_token_weights("entropy_safe")(context([[-1.0] * 3], entropy_slope=slope[None].tolist()))
    # H = .6129, sum pi^2 (log pi + H) = .2147: S = .8 (.3898) - .2147, .15 (-1.2842) - .2147, .05 (-2.3828) - .2147
    np.testing.assert_allclose(slope.numpy(), [0.0971, -0.4073, -0.3338], atol=2e-4)
    assert weights.minus.tolist() == [[1, 0, 0]]
