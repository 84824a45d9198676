import pytest

from counterpoise.verifiers.compare.exact import ExactVerifier


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        ("cat", "cat", "correct"),
        ("cat", " cat. ", "correct"),
        ("cat", r"\text{cat}", "correct"),
        ("cat", "Cat", "wrong"),
        ("7", "7.0", "wrong"),
        (" ", "7", "unscored"),
    ],
)
def test_equality_of_texts(gold, answer, value):
    assert ExactVerifier().judge(gold, answer).value == value


def test_case_is_a_setting_that_changes_the_version():
    assert ExactVerifier(ignore_case=True).judge("cat", "CAT").value == "correct"
    assert ExactVerifier(ignore_case=True).version != ExactVerifier().version
