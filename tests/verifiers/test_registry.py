import pytest

from counterpoise.errors import UnknownNameError, UsageError
from counterpoise.verifiers.registry import VERIFIERS, make_verifier

NEEDED = {"llm": {"url": "http://127.0.0.1:9/v1", "model": "m"}}


@pytest.mark.parametrize("name", VERIFIERS)
def test_every_verifier_knows_its_name_and_extracts_from_nothing(name):
    verifier = make_verifier(name, **NEEDED.get(name, {}))
    assert verifier.name == name
    assert verifier.version
    assert verifier.extract("").answer is None


def test_settings_reach_the_verifier():
    assert make_verifier("math", literal=True).judge("6", r"2\cdot 3").value == "wrong"


def test_messages():
    known = ", ".join(sorted(VERIFIERS))
    with pytest.raises(UnknownNameError, match=rf"unknown verifier 'maths'; did you mean 'math'\? Known: {known}"):
        make_verifier("maths")
    with pytest.raises(
        UsageError,
        match=r"verifier math: unknown setting 'litral'; did you mean 'literal'\? It takes: literal, ordered, rules",
    ):
        make_verifier("math", litral=True)
