"""Rules whose difficulty weight depends on the sign, on a gate, or on the stage of training."""

import json

import pytest
import torch

from counterpoise.credit import group_statistics, make_emphasis, make_rule, signed_credit
from counterpoise.credit.fading import Averages, Fading
from counterpoise.credit.groups import GroupStatistics
from counterpoise.credit.posterior import mean_slopes
from counterpoise.credit.rules.fade import Fade
from counterpoise.errors import CheckpointError, ConfigError
from counterpoise.types import Sum


def group(n: int, c: int) -> tuple[torch.Tensor, GroupStatistics]:
    correct = torch.tensor([True] * c + [False] * (n - c))
    return correct.double(), group_statistics(correct, torch.ones(n).bool(), torch.zeros(n).long())


def credit(name: str, n: int, c: int, **settings: object) -> list[float]:
    return make_rule(name, **settings)(*group(n, c)).tolist()


def test_boundary_weighs_by_the_believed_slope_and_shuts_its_gate() -> None:
    # n = 8, k = 16: u = 16 prod_{j=1}^{15} (8-m+j)/(9+j): 2.087, .664, .190, .047 for m = 1 to 4; the gate is 0.09
    for m, weight in ((1, 1.0), (2, 7 / 22), (3, 1 / 11), (4, 0.0), (7, 0.0)):
        up, down = credit("boundary", 8, m)[0], credit("boundary", 8, m)[-1]
        assert (up, down) == (pytest.approx(weight * (8 - m) / 8, abs=1e-4), pytest.approx(-weight * m / 8, abs=1e-4))
    assert credit("boundary", 8, 0) == [-1.0] * 8
    assert credit("boundary", 8, 8) == [0.0] * 8
    assert credit("boundary", 8, 4, tau=0.0)[0] > 0


@pytest.mark.parametrize("n", [2, 8, 16])
def test_boundary_s_slope_is_area_s_under_a_uniform_prior(n: int) -> None:
    def slope(m: int) -> float:
        a = torch.tensor([1.0 + m], dtype=torch.float64)
        return float(mean_slopes(a, n + 2.0 - a, {16: 1.0})[0])

    for m in range(1, n):
        found = credit("boundary", n, m, tau=0.0)[0]
        assert found == pytest.approx(slope(m) / slope(1) * (1 - m / n), rel=1e-12)


@pytest.mark.parametrize("c", range(1, 8))
def test_asym_grpo_spans_grpo_and_reinforce(c: int) -> None:
    halves = credit("asym_grpo", 8, c, beta_plus=0.5, beta_minus=0.5)
    assert halves == pytest.approx(credit("grpo", 8, c, ddof=0, eps=0.0), rel=1e-14)
    assert credit("asym_grpo", 8, c, beta_plus=0.0, beta_minus=0.0) == credit("reinforce", 8, c)
    # each exponent moves its own sign alone
    assert credit("asym_grpo", 8, c, beta_plus=0.5, beta_minus=2.0)[0] == halves[0]
    assert credit("asym_grpo", 8, c, beta_plus=2.0, beta_minus=0.5)[-1] == halves[-1]


def test_asym_grpo_at_the_ends() -> None:
    assert credit("asym_grpo", 3, 0) == credit("asym_grpo", 3, 3) == [0.0] * 3
    assert credit("asym_grpo", 3, 0, beta_minus=0.0) == [-1.0] * 3
    assert credit("asym_grpo", 3, 3, beta_plus=0.0) == [1.0] * 3


@pytest.mark.parametrize("alpha", [1.0, 1.5, 3.0])
def test_fade_s_difficulty_axis_is_focal_on_dr_grpo(alpha: float) -> None:
    rule = make_rule("fade")
    assert isinstance(rule, Fade)
    for c in range(9):
        rewards, statistics = group(8, c)
        rows = {"correct": statistics.correct, "scored": statistics.scored, "group_ids": statistics.group}
        wanted = signed_credit(
            rewards=rewards, rule=make_rule("dr_grpo"), emphasis=make_emphasis("focal", gamma=alpha - 1), **rows
        )
        assert rule.at(alpha, 1.0, statistics).tolist() == pytest.approx(wanted.advantages.tolist(), abs=1e-7)
        halved = rule.at(alpha, 0.5, statistics)
        assert halved[statistics.correct].tolist() == rule.at(alpha, 1.0, statistics)[statistics.correct].tolist()
        assert (halved < 0).sum() == 0 or halved.min() == pytest.approx(2 * rule.at(alpha, 1.0, statistics).min())


def test_fade_goes_from_hard_and_even_to_medium_and_suppressing() -> None:
    rule = make_rule("fade")
    assert isinstance(rule, Fade)
    # 3 (1-P) / (2 P): 3 at 1/3, 1.5 at 1/2, 1 at 0.6
    assert [rule.alpha(p) for p in (0.0, 0.2, 1 / 3, 0.5, 0.6, 1.0)] == pytest.approx([3, 3, 3, 1.5, 1, 1])
    # 1 + H - H*, H* = half of 0.8
    assert [rule.delta(h, 0.8) for h in (0.8, 0.4, 0.2, 0.0)] == pytest.approx([1, 1, 0.8, 0.6])
    assert rule.delta(0.0, 4.0) == 0.3


def test_fade_s_averages_move_by_a_fiftieth_and_go_on_from_a_checkpoint() -> None:
    whole, first = Averages(0.98), Averages(0.98)
    steps = [(Sum(total=1.0, count=4), Sum(total=8.0, count=10)), (Sum(total=3, count=4), Sum(total=2, count=10))]
    for step in steps:
        whole.update(*step)
    first.update(*steps[0])
    second = Averages(0.98)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    second.update(*steps[1])
    assert second.state_dict() == whole.state_dict()
    assert (whole.rate, whole.entropy, whole.first) == (pytest.approx(0.26), pytest.approx(0.788), 0.8)
    whole.update(Sum(total=0.0, count=0.0), Sum(total=0.0, count=0.0))
    assert whole.state_dict() == second.state_dict()
    assert list(Fading(Fade()).states) == ["averages"]
    for state in (None, {}):
        with pytest.raises(CheckpointError, match="holds no averages of solve rate and entropy"):
            Averages(0.9).load_state_dict(state)


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("boundary", {"k": 0}, "boundary: k = 0"),
        ("boundary", {"tau": -1.0}, "boundary: tau = -1"),
        ("asym_grpo", {"beta_plus": -0.1}, "asym_grpo: beta_plus = -0.1"),
        ("fade", {"alpha_high": 0.5}, "fade: alpha_high = 0.5"),
        ("fade", {"delta_low": 1.5}, "fade: delta_low = 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, settings: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_rule(name, **settings)
