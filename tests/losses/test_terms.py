import math
from typing import Any

import pytest
import torch

from counterpoise.errors import ConfigError, UsageError
from counterpoise.losses import make_loss, needs_entropy, needs_reference, with_terms
from counterpoise.types import LossOutput, Sum

Z = torch.tensor([1.3, -0.4, 0.2, 2.1], dtype=torch.float64)
REFERENCE = torch.log_softmax(torch.tensor([0.1, 0.9, -0.8, 0.4], dtype=torch.float64), dim=0)


def expected_gradient(estimator: Any) -> torch.Tensor:
    """`E_{y ~ pi}` of the KL term's gradient alone, at coefficient 1."""
    z = Z.clone().requires_grad_()
    log_probs = torch.log_softmax(z, dim=0)[:, None]
    loss = with_terms(make_loss("reinforce"), kl=1.0, kl_estimator=estimator)
    output = loss(
        log_probs=log_probs,
        old_log_probs=log_probs.detach(),
        plus=torch.zeros(4),
        minus=torch.zeros(4),
        mask=torch.ones(4, 1).bool(),
        reference_log_probs=REFERENCE[:, None],
    )
    return torch.autograd.grad((log_probs.detach().exp()[:, 0] * output.row_sums).sum(), z)[0]


def kl_gradient(*, reverse: bool) -> torch.Tensor:
    z = Z.clone().requires_grad_()
    log_pi = torch.log_softmax(z, dim=0)
    kl = (log_pi.exp() * (log_pi - REFERENCE)).sum() if reverse else (REFERENCE.exp() * (REFERENCE - log_pi)).sum()
    return torch.autograd.grad(kl, z)[0]


def test_the_k1_term_descends_the_kl_to_the_reference() -> None:
    torch.testing.assert_close(expected_gradient("k1"), kl_gradient(reverse=True), rtol=0, atol=1e-12)


def test_the_k3_term_descends_the_kl_from_the_reference() -> None:
    torch.testing.assert_close(expected_gradient("k3"), kl_gradient(reverse=False), rtol=0, atol=1e-12)


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_both_estimators_have_the_kl_as_their_expected_value(estimator: Any) -> None:
    log_pi = torch.log_softmax(Z, dim=0)
    output = with_terms(make_loss("reinforce"), kl=1.0, kl_estimator=estimator)(
        log_probs=log_pi[:, None],
        old_log_probs=log_pi[:, None],
        plus=torch.zeros(4),
        minus=torch.zeros(4),
        mask=torch.ones(4, 1).bool(),
        reference_log_probs=REFERENCE[:, None],
    )
    expected = float((log_pi.exp() * (log_pi - REFERENCE)).sum())
    assert float((log_pi.exp() * output.row_sums).sum()) == pytest.approx(expected, rel=1e-12)


def rows(**arguments: Any) -> dict[str, Any]:
    shared = {
        "log_probs": torch.tensor([[-1.0, -2.0, -9.0]], dtype=torch.float64),
        "old_log_probs": torch.tensor([[-1.0, -2.0, -9.0]], dtype=torch.float64),
        "plus": torch.tensor([1.0]),
        "minus": torch.tensor([0.0]),
        "mask": torch.tensor([[True, True, False]]),
    }
    return {**shared, **arguments}


def test_terms_add_to_the_rows_on_masked_tokens_and_report_themselves_undivided() -> None:
    loss = with_terms(make_loss("reinforce"), kl=0.5, entropy=0.1)
    nan = math.nan
    output: LossOutput = loss(
        **rows(reference_log_probs=torch.tensor([[-1.0, -1.0, nan]]), entropy=torch.tensor([[2.0, 3.0, nan]]))
    )
    k3 = math.e - 1 - 1  # token 1: d = -1, e^1 + (-1) - 1; token 0: 0
    assert float(output.row_sums) == pytest.approx(3.0 + 0.5 * k3 - 0.1 * 5.0, rel=1e-12)
    assert output.metrics["kl_reference"].total == pytest.approx(k3, rel=1e-12)
    assert output.metrics["kl_reference"].count == 2
    assert output.metrics["entropy_bonus"] == Sum(total=5.0, count=2.0)
    assert output.metrics["loss_plus"] == Sum(total=3.0, count=2.0)


def test_the_entropy_bonus_has_a_gradient_in_the_entropy() -> None:
    entropy = torch.tensor([[2.0, 3.0, 4.0]], requires_grad=True)
    output = with_terms(make_loss("reinforce"), entropy=0.1)(**rows(entropy=entropy))
    assert torch.autograd.grad(output.row_sums.sum(), entropy)[0].tolist() == [[pytest.approx(-0.1)] * 2 + [0.0]]


def test_coefficients_of_zero_leave_the_loss_itself() -> None:
    loss = make_loss("ppo_clip")
    assert with_terms(loss) is loss
    assert (needs_reference(loss), needs_entropy(loss)) == (False, False)
    assert (needs_reference(with_terms(loss, kl=0.1)), needs_entropy(with_terms(loss, kl=0.1))) == (True, False)
    assert (needs_reference(with_terms(loss, entropy=0.1)), needs_entropy(with_terms(loss, entropy=0.1))) == (
        False,
        True,
    )


def k3_at(difference: float, clamp: float | None) -> tuple[float, float, Sum]:
    """Value and gradient of the KL term alone where log pi - log pi_ref is `difference`, and its metric."""
    log_probs = torch.full((1, 1), -40.0, dtype=torch.float64, requires_grad=True)
    output = with_terms(make_loss("reinforce"), kl=1.0, kl_clamp=clamp)(
        log_probs=log_probs,
        old_log_probs=log_probs.detach(),
        plus=torch.zeros(1),
        minus=torch.zeros(1),
        mask=torch.ones(1, 1).bool(),
        reference_log_probs=log_probs.detach() - difference,
    )
    output.row_sums.sum().backward()  # type: ignore[no-untyped-call]
    assert log_probs.grad is not None
    return float(output.row_sums.detach()), float(log_probs.grad), output.metrics["kl_reference"]


@pytest.mark.parametrize(
    ("difference", "clamp", "value", "gradient"),
    [
        # exp(2.5) - 2.5 - 1 = 8.6825 < 10, so the clamp does nothing; 1 - exp(2.5) = -11.1825
        (-2.5, 10.0, 8.6825, -11.1825),
        (-2.5, None, 8.6825, -11.1825),
        # exp(3) - 3 - 1 = 16.0855 and exp(8) - 8 - 1 = 2971.958 pass it
        (-3.0, 10.0, 10.0, 0.0),
        (-3.0, None, 16.0855, -19.0855),
        (-8.0, 10.0, 10.0, 0.0),
        (-8.0, None, 2971.958, -2979.958),
        # on the other side the value grows like d: exp(-9) + 8 = 8.0001, exp(-12) + 11 = 11.00001
        (9.0, 10.0, 8.00012, 0.99988),
        (12.0, 10.0, 10.0, 0.0),
        (12.0, None, 11.00001, 0.99999),
        (-1.0, 0.5, 0.5, 0.0),  # e - 2 = 0.718
        (0.0, 10.0, 0.0, 0.0),
    ],
)
def test_the_clamp_bounds_the_k3_estimate_and_takes_the_gradient_outside(
    difference: float, clamp: float | None, value: float, gradient: float
) -> None:
    found, slope, metric = k3_at(difference, clamp)
    assert (found, slope) == (pytest.approx(value, rel=1e-5, abs=1e-12), pytest.approx(gradient, rel=1e-5, abs=1e-12))
    assert metric == Sum(total=found, count=1.0)


def test_a_clamp_is_positive_and_of_k3() -> None:
    with pytest.raises(ConfigError, match=r"loss: kl_clamp = 0.0; expected a number in \(0, inf\)"):
        with_terms(make_loss("reinforce"), kl=0.1, kl_clamp=0.0)
    with pytest.raises(
        ConfigError, match=r"loss.kl_clamp=10 bounds the estimator k3, and loss.kl_estimator=k1; set loss"
    ):
        with_terms(make_loss("reinforce"), kl=0.1, kl_estimator="k1", kl_clamp=10)


def test_each_rows_kl_has_its_own_weight_and_nothing_else_is_weighed() -> None:
    inputs = {
        "log_probs": torch.tensor([[-1.0, -2.0], [-1.5, -0.5], [-3.0, -1.0]], dtype=torch.float64),
        "plus": torch.tensor([1.0, 0.0, 2.0]),
        "minus": torch.tensor([0.0, 1.0, 0.0]),
        "mask": torch.ones(3, 2).bool(),
        "reference_log_probs": torch.tensor([[-2.0, -1.0], [-1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64),
    }
    inputs["old_log_probs"] = inputs["log_probs"]
    plain, held = make_loss("reinforce")(**inputs), with_terms(make_loss("reinforce"), kl=0.5)
    alone = held(**inputs).row_sums - plain.row_sums
    weights = torch.tensor([0.0, 0.25, 1.0])
    output = held(**inputs, kl_weights=weights)
    torch.testing.assert_close(output.row_sums, plain.row_sums + weights * alone, rtol=0, atol=1e-12)
    assert output.metrics["kl_reference"] == held(**inputs).metrics["kl_reference"]
    assert torch.equal(held(**inputs, kl_weights=torch.ones(3)).row_sums, held(**inputs).row_sums)


def test_a_term_without_its_input_says_so() -> None:
    with pytest.raises(UsageError, match=r"loss.kl = 0.1 needs reference_log_probs \(B, T\)"):
        with_terms(make_loss("reinforce"), kl=0.1)(**rows())
    with pytest.raises(UsageError, match=r"loss.entropy = 0.1 needs entropy \(B, T\)"):
        with_terms(make_loss("reinforce"), entropy=0.1)(**rows())


def test_bad_coefficients_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"loss: kl = -1; expected a number in \[0, inf\)"):
        with_terms(make_loss("reinforce"), kl=-1)
    with pytest.raises(ConfigError, match=r"loss: entropy = nan"):
        with_terms(make_loss("reinforce"), entropy=math.nan)
    estimator: Any = "k2"
    with pytest.raises(ConfigError, match="loss: kl_estimator = 'k2'; expected one of: k1, k3"):
        with_terms(make_loss("reinforce"), kl_estimator=estimator)
