import pytest

from counterpoise.credit import make_rule
from counterpoise.errors import ConfigError, UnknownNameError


def test_an_unknown_rule_gets_the_nearest_name_and_the_list() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown credit.rule 'gpro'; did you mean 'grpo'\? Known: area, asym_grpo, asymmetric, ",
    ):
        make_rule("gpro")


def test_an_unknown_setting_gets_the_nearest_name() -> None:
    with pytest.raises(
        ConfigError, match=r"credit.rule grpo: unknown setting 'dof'; did you mean 'ddof'\? It takes: ddof, eps"
    ):
        make_rule("grpo", dof=1)
    with pytest.raises(ConfigError, match=r"credit.rule psr: unknown setting 'k'; it takes: no settings"):
        make_rule("psr", k=1)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ConfigError, match=r"credit.rule passk: the setting 'k' is missing"):
        make_rule("passk")


def test_a_python_keyword_can_be_written_as_in_the_formula() -> None:
    assert make_rule("weighted_reinforce", **{"lambda": 0.3}) == make_rule("weighted_reinforce", lambda_=0.3)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("weighted_reinforce", {"lambda_": -1}, r"weighted_reinforce: lambda = -1; expected a number in \[0, inf\)"),
        ("weighted_reinforce", {"lambda_": float("nan")}, "lambda = nan; expected a number"),
        ("weighted_reinforce", {"lambda_": "0.1"}, "lambda = '0.1'; expected a number"),
        ("asymmetric", {"b": 1.5}, r"asymmetric: b = 1.5; expected a number in \[0, 1\]"),
        ("grpo", {"ddof": 2}, r"grpo: ddof = 2; expected an integer in \[0, 1\]"),
        ("grpo", {"eps": -1e-6}, "grpo: eps = -1e-06; expected a number"),
        ("grpo", {"eps_to": "mean"}, "grpo: eps_to = 'mean'; expected one of: std, variance"),
        ("rloo", {"scale": "two"}, "rloo: scale = 'two'; expected one of: zero_one, as_given"),
        ("dr_grpo", {"scale": "two"}, "dr_grpo: scale = 'two'"),
        ("ngrpo", {"ddof": True}, "ngrpo: ddof = True; expected an integer"),
        ("passk", {"k": 0}, r"passk: k = 0; expected an integer in \[1, inf\)"),
        ("passk", {"k": 1.5}, r"passk: k = 1.5; expected an integer"),
    ],
)
def test_a_setting_out_of_range_is_refused(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_rule(name, **settings)
