import pytest

from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.rewards import make_reward


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="unknown reward 'binery'; did you mean 'binary'"):
        make_reward("binery")


def test_an_unknown_setting_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'parts'; did you mean 'part'"):
        make_reward("graded", parts="f1")
    with pytest.raises(ConfigError, match="it takes: no settings"):
        make_reward("binary", scale=2)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="the setting 'dimensions' is missing"):
        make_reward("vector")
