import pytest

from counterpoise.errors import ConfigError


@pytest.mark.parametrize("value", ["tagged", ["tagged"], ("tagged",)])
def test_a_word_is_a_list_of_one(value):
    from counterpoise.verifiers.registry import make_verifier

    verifier = make_verifier("math", rules=value)
    assert verifier.rules == ("tagged",)
    assert verifier.extract("<answer>5</answer>").answer == "5"


@pytest.mark.parametrize("value", [3, [3], True, None, {"tagged": 1}])
def test_a_list_of_texts_is_checked(value):
    from counterpoise.verifiers.registry import make_verifier

    with pytest.raises(ConfigError, match=r"verifier math: rules = .*; expected a list of texts"):
        make_verifier("math", rules=value)
