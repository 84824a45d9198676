"""`verdict_reward` on golds as data sets hold them."""

import pytest

from counterpoise.engines.trl import verdict_reward
from counterpoise.errors import DataError


@pytest.mark.parametrize(
    ("gold", "reward"),
    [
        ("7", 1.0),
        (7, 1.0),
        (7.0, 1.0),
        (["6", "7"], 1.0),
        ("2 + 5 = 7\n#### 7", 1.0),
        ("8", 0.0),
        (["8", "9"], 0.0),
        (None, None),
        ("", None),
        (" ", None),
        (float("nan"), None),
        (True, None),
    ],
)
def test_a_gold_is_read_as_in_a_file_and_none_is_unscored(gold, reward):
    judged = verdict_reward("numeric")
    assert judged(completions=["it is \\boxed{7}", "\\boxed{7}"], answer=[gold, "7"]) == [reward, 1.0]


def test_no_golds_at_all():
    assert verdict_reward("numeric")(completions=["1", "2"], answer=[None, None]) == [None, None]


def test_the_columns_that_are_there_are_named_and_trls_own_are_not():
    with pytest.raises(DataError, match=r"no column 'answer' for the golds; give gold=NAME of one of: solution$"):
        verdict_reward("numeric")(completions=["1"], prompts=["p"], solution=["1"], trainer_state=None)
