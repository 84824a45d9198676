import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.text import squad as reference

from counterpoise.verifiers.text import squad

TEXTS = st.lists(
    st.sampled_from(
        ["a", "An", "THE", "then", "cat", "Cat.", "dog's", "--", "3.5", "é", "a-the", "thé", "an,", "\u00a0", "\n"]
    )
    | st.text(string.printable, max_size=4),
    max_size=8,
).map(" ".join)


@pytest.mark.parametrize(
    ("gold", "answer", "exact", "f1"),
    [
        ("The cat", "cat!", True, 1.0),
        ("the cat sat", "a cat ran off", False, 0.4),  # {cat} of 2 and 3: 2*1/(2+3)
        ("New York City", "New York", False, 0.8),  # 2*2/(3+2)
        ("to be or not to be", "be be be", False, 4 / 9),  # two of the three `be` count: 2*2/(6+3)
        ("the", "an", True, 1.0),
        ("the", "cat", False, 0.0),
        ("3.5", "35", True, 1.0),  # SQuAD deletes the point; `qa` does not
    ],
)
def test_worked_by_hand(gold, answer, exact, f1):
    assert squad.exact(gold, answer) is exact
    assert squad.f1(squad.tokens(gold), squad.tokens(answer)) == pytest.approx(f1)


@given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS)
def test_agrees_with_torchmetrics(golds, answer):
    result = reference(
        [{"prediction_text": answer, "id": "1"}],
        [{"answers": {"answer_start": [0] * len(golds), "text": golds}, "id": "1"}],
    )
    assert 100 * max(squad.exact(gold, answer) for gold in golds) == result["exact_match"].item()
    f1 = max(squad.f1(squad.tokens(gold), squad.tokens(answer)) for gold in golds)
    assert 100 * f1 == pytest.approx(result["f1"].item(), abs=1e-4)
