from hypothesis import given
from hypothesis import strategies as st

from counterpoise.types import Basis


@given(st.text().filter(lambda text: "/" not in text), st.text())
def test_a_basis_is_read_as_it_was_written(found, decided):
    assert Basis.read(str(Basis(found, decided))) == (found, decided)


def test_what_no_verifier_wrote_is_found_by_as_a_whole():
    assert Basis.read("score>=0.5") == ("score>=0.5", "")


def test_a_comparison_may_have_a_slash():
    assert Basis.read("boxed/mine/close") == ("boxed", "mine/close")
