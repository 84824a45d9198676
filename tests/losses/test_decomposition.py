"""loss(credit) == loss(plus only) + loss(minus only) under one shared denominator, and not under per-sign ones."""

import pytest
import torch

from counterpoise.losses import DENOMINATORS, counts, make_divide, make_loss
from counterpoise.types import Counts, Credit, LossOutput

CASES = [
    ("reinforce", {}),
    ("ppo_clip", {}),
    ("ppo_clip", {"clip_low": 0.05, "clip_high": 0.3, "dual_clip": 1.5}),
    ("ppo_clip", {"probability_floor": 0.2}),
    ("cispo", {}),
    ("cispo", {"clip_low": 0.1, "clip_high": 0.1, "clip_high_minus": 0.0}),
    ("gspo", {}),
    ("gspo", {"clip_low": 0.3, "clip_high": 0.3}),
    ("topr", {}),
    ("topr", {"level": "token"}),
]
DIVISIONS = {name: {"length": 16} if name == "constant" else {} for name in DENOMINATORS}

B, T = 6, 7
GENERATOR = torch.Generator().manual_seed(5)
LOG_PROBS = -torch.rand(B, T, generator=GENERATOR, dtype=torch.float64) * 2
OLD = LOG_PROBS + 0.4 * torch.randn(B, T, generator=GENERATOR, dtype=torch.float64)  # far off policy: clips are active
MASK = torch.arange(T)[None, :] < torch.tensor([7, 3, 5, 1, 6, 2])[:, None]
ROWS = Credit(plus=torch.tensor([0.7, 0, 0, 2.0, 0.1, 0]), minus=torch.tensor([0, 1.0, 0.3, 0, 0, 0]))
PER_TOKEN = Credit(
    plus=torch.rand(B, T, generator=GENERATOR) * (torch.arange(T) % 2 == 0),
    minus=torch.rand(B, T, generator=GENERATOR) * (torch.arange(T) % 2 == 1),
)


def only(credit: Credit, sign: str) -> Credit:
    zero = torch.zeros_like(credit.plus)
    return Credit(plus=credit.plus if sign == "plus" else zero, minus=credit.minus if sign == "minus" else zero)


def run(name: str, settings: dict[str, float], credit: Credit) -> tuple[LossOutput, torch.Tensor]:
    log_probs = LOG_PROBS.clone().requires_grad_()
    loss = make_loss(name, **settings)
    return loss(log_probs=log_probs, old_log_probs=OLD, plus=credit.plus, minus=credit.minus, mask=MASK), log_probs


def divided(
    name: str, settings: dict[str, float], credit: Credit, division: str, by: Counts
) -> tuple[torch.Tensor, torch.Tensor]:
    output, log_probs = run(name, settings, credit)
    value = make_divide(division, **DIVISIONS[division])(output, by)
    (gradient,) = torch.autograd.grad(value, log_probs)
    return value.detach(), gradient


def count(credit: Credit) -> Counts:
    return counts(credit, MASK.sum(dim=1), torch.ones(B).bool())


@pytest.mark.parametrize(("name", "settings"), CASES)
@pytest.mark.parametrize("division", sorted(DENOMINATORS))
@pytest.mark.parametrize("credit", [ROWS, PER_TOKEN], ids=["rows", "tokens"])
def test_value_and_gradient_decompose_under_one_denominator(
    name: str, settings: dict[str, float], division: str, credit: Credit
) -> None:
    shared = count(credit)
    value, gradient = divided(name, settings, credit, division, shared)
    up, up_gradient = divided(name, settings, only(credit, "plus"), division, shared)
    down, down_gradient = divided(name, settings, only(credit, "minus"), division, shared)
    torch.testing.assert_close(value, up + down, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, up_gradient + down_gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_decomposition_fails_when_each_sign_divides_by_its_own_tokens(
    name: str, settings: dict[str, float]
) -> None:
    _, gradient = divided(name, settings, ROWS, "tokens_signed", count(ROWS))
    parts = [
        divided(name, settings, only(ROWS, sign), "tokens_signed", count(only(ROWS, sign)))[1]
        for sign in ("plus", "minus")
    ]
    # 22 tokens carry credit, 14 of them up and 8 down: each part alone is too large by 22/14 and 22/8
    assert (count(ROWS).tokens_signed, count(only(ROWS, "plus")).tokens_signed) == (22, 14)
    torch.testing.assert_close(gradient, parts[0] * 14 / 22 + parts[1] * 8 / 22, rtol=1e-12, atol=1e-12)
    assert float((gradient - parts[0] - parts[1]).abs().max()) > 1e-3


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_metrics_hold_the_two_parts_apart(name: str, settings: dict[str, float]) -> None:
    output, _ = run(name, settings, ROWS)
    up, _ = run(name, settings, only(ROWS, "plus"))
    down, _ = run(name, settings, only(ROWS, "minus"))
    assert output.metrics["loss_plus"].total == pytest.approx(float(up.row_sums.detach().sum()), rel=1e-12)
    assert output.metrics["loss_minus"].total == pytest.approx(float(down.row_sums.detach().sum()), rel=1e-12)
    assert (output.metrics["loss_plus"].count, output.metrics["loss_minus"].count) == (14, 8)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_a_loss_is_linear_in_each_weight(name: str, settings: dict[str, float]) -> None:
    once, _ = run(name, settings, ROWS)
    scaled, _ = run(name, settings, Credit(plus=3 * ROWS.plus, minus=0.25 * ROWS.minus))
    up, down = ROWS.plus > 0, ROWS.minus > 0
    torch.testing.assert_close(scaled.row_sums[up], 3 * once.row_sums[up], rtol=1e-6, atol=0)
    torch.testing.assert_close(scaled.row_sums[down], 0.25 * once.row_sums[down], rtol=1e-6, atol=0)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_what_is_outside_the_mask_does_not_matter(name: str, settings: dict[str, float]) -> None:
    loss = make_loss(name, **settings)
    poison = torch.where(MASK, LOG_PROBS, torch.nan).requires_grad_()
    output = loss(
        log_probs=poison,
        old_log_probs=torch.where(MASK, OLD, -torch.inf),
        plus=ROWS.plus,
        minus=ROWS.minus,
        mask=MASK,
    )
    clean, log_probs = run(name, settings, ROWS)
    assert torch.equal(output.row_sums, clean.row_sums)
    assert output.metrics == clean.metrics
    (gradient,) = torch.autograd.grad(output.row_sums.sum(), poison)
    (expected,) = torch.autograd.grad(clean.row_sums.sum(), log_probs)
    assert torch.equal(gradient, expected)
    assert bool((gradient[~MASK] == 0).all())


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_an_extreme_ratio_gives_a_finite_gradient(name: str, settings: dict[str, float]) -> None:
    log_probs = torch.tensor([[-1e-3, -1e-3], [-200.0, -1e-3]], requires_grad=True)
    old = torch.tensor([[-200.0, -200.0], [-1e-3, -200.0]])
    output = make_loss(name, **settings)(
        log_probs=log_probs,
        old_log_probs=old,
        plus=torch.tensor([1.0, 0.0]),
        minus=torch.tensor([0.0, 1.0]),
        mask=torch.ones(2, 2).bool(),
    )
    (gradient,) = torch.autograd.grad(output.row_sums.sum(), log_probs)
    assert bool(torch.isfinite(gradient).all()) and bool(torch.isfinite(output.row_sums).all())


@pytest.mark.parametrize(("name", "settings"), CASES)
@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_no_rows_or_no_tokens_are_a_loss_of_nothing(
    name: str, settings: dict[str, float], shape: tuple[int, int]
) -> None:
    empty = torch.zeros(shape)
    output = make_loss(name, **settings)(
        log_probs=empty, old_log_probs=empty, plus=torch.ones(shape[0]), minus=torch.zeros(shape[0]), mask=empty.bool()
    )
    assert output.row_sums.tolist() == [0.0] * shape[0]
    assert all(metric.count == 0 for metric in output.metrics.values())
