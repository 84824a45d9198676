import inspect

import pytest

from counterpoise.errors import UnknownNameError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.estimators.registry import ESTIMATORS, estimator
from counterpoise.evaluation.statistics.metrics import _BY_DATA


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_line_says_what_the_function_takes(name):
    kind = ESTIMATORS[name]
    parameters = inspect.signature(kind.function).parameters.values()
    required = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    assert required == [*kind.data, *kind.settings]


def test_an_estimator_is_given_data_that_can_be_made_and_says_what_of_its_result_counts():
    for kind in ESTIMATORS.values():
        assert kind.data in _BY_DATA
        if kind.data == ("n", "c"):
            asked = {"k": [1, 2], "tau": 0.5}
            assert kind.values(kind.function([2], [1], *(asked[setting] for setting in kind.settings))).shape[0] == 1
    [name] = [name for name, kind in ESTIMATORS.items() if kind.whole_list]
    assert ESTIMATORS[name].function([2], [1], [1, 2]).shape == (1,)


def test_by_name():
    assert estimator("pass@k").function is pass_at_k
    with pytest.raises(UnknownNameError, match="pass\\^k"):
        estimator("pass-k")
