import inspect

import pytest

from counterpoise.errors import UnknownNameError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.estimators.registry import ESTIMATORS, estimator


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_line_says_what_the_function_takes(name):
    kind = ESTIMATORS[name]
    parameters = inspect.signature(kind.function).parameters.values()
    required = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    assert required == [*kind.data, *kind.settings]


def test_by_name():
    assert estimator("pass@k").function is pass_at_k
    with pytest.raises(UnknownNameError, match="pass\\^k"):
        estimator("pass-k")
