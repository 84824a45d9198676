"""The last number of a response as its answer."""

import pytest

from counterpoise.types import VerdictValue
from counterpoise.verifiers.registry import make_verifier

CASES = [
    ("The largest of 12, 63, 5 is 63.", "63", True),
    ("The largest of these numbers is **63**", "63", True),
    ("1,234.5", "1234.5", True),
    ("so it is -5", "-5", True),
    ("7-5", "-5", False),
    ("7-5", "5", True),
    ("that is 3/4", "0.75", True),
    # a minus as it is printed, and not a dash
    ("so it is \u22125", "-5", True),
    ("so it is \u22125", "5", False),
    ("7\u20135", "5", True),
    ("so it is \u20145", "5", True),
    # an exponent is a part of its number
    ("so it is 1e3", "1000", True),
    ("so it is 1e3", "3", False),
    ("so it is 2.5E-3.", "0.0025", True),
    (r"so it is $1.5 \times 10^{3}$", "1500", True),
    ("so it is 1.5 \u00d7 10^3", "1500", True),
    ("so it is 1.5\u00d710\u207b\u00b3", "0.0015", True),
    ("so it is 2^5", "5", False),
    ("6\u00b3", "6", False),
    ("2^5 = 32", "32", True),
    # nor is a part of a sum one side of an equation, blanks or not
    ("3 x 21 = 63", "63", True),
    ("20 + 43 = 63", "63", True),
    ("70 \u2212 7 = 63", "63", True),
    (r"so $3 \times 21 = 63$", "63", True),
    ("20 + 43 = 64", "63", False),
    ("29+29=58", "58", True),
    ("63, because 63 > 49", "63", False),
    ("80, 35, 49, 20", "20", False),
    ("12 or 63", "63", False),
    ("12\n63", "63", False),
    (r"\boxed{12 \text{ or } 63}", "63", False),
    ("12 = 63", "63", False),
    ("63 = 63.0", "63", True),
    ("none of them", "63", False),
    ("", "63", False),
    ("<think>63", "63", False),
    ("<think>12</think> 63", "63", True),
    ("٦٣", "63", False),
]


@pytest.mark.parametrize(("response", "gold", "right"), CASES)
def test_verdicts(response, gold, right):
    verifier = make_verifier("last_number")
    answer = verifier.extract(response).answer
    value = VerdictValue.NO_ANSWER if answer is None else verifier.judge(gold, answer).value
    assert (value is VerdictValue.CORRECT) == right


def test_it_has_a_name_and_settings_of_its_own():
    assert make_verifier("last_number").name == "last_number"
    assert (
        make_verifier("last_number").version == make_verifier("numeric").version + "+rule2"
    )  # other verdicts than before
    assert make_verifier("last_number", relative_tolerance=0.1).judge("10", "10.5").value is VerdictValue.CORRECT
