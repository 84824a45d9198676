from collections.abc import Callable, Iterator

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.models.lab_tokenizer import ALPHABET
from counterpoise.tasks.generators.lengths import Lengths, spellings
from counterpoise.types import Verdict, VerdictValue
from counterpoise.verifiers.judge import Judge

MILLIMETRES = {"m": 1000, "dm": 100, "cm": 10, "mm": 1}
ALL = [problem for side in ("train", "test") for problem in Lengths(largest=6).problems(side)]


def length(text: str) -> int:
    """In millimetres."""
    number = text.rstrip("dcm")
    return int(number) * MILLIMETRES[text[len(number) :]]


def test_every_sum_is_what_it_says_in_whole_numbers() -> None:
    for problem in ALL:
        terms, asked = problem.question.split("=?")
        assert sum(map(length, terms.split("+"))) == length(problem.gold.replace(" ", ""))
        assert problem.gold.split()[1] == asked and problem.demonstration == f"####{problem.gold.replace(' ', '')}"


def test_the_enumeration_is_whole_and_its_sides_are_disjoint() -> None:
    # ordered pairs of units: 6 with mm have one asked unit, 4 with cm and nothing smaller two, 2 with dm and m three
    assert len(ALL) == (6 * 1 + 4 * 2 + 2 * 3) * 6 * 6
    assert len({problem.problem_id for problem in ALL}) == len({problem.question for problem in ALL}) == len(ALL)
    assert 0.05 < len(Lengths(largest=6).problems("test")) / len(ALL) < 0.15


def test_the_seed_orders_and_neither_chooses_nor_moves() -> None:
    one, other = (Lengths(largest=4, seed=seed).problems("train") for seed in (0, 1))
    assert one != other and {p.problem_id for p in one} == {p.problem_id for p in other}


def test_the_lab_can_read_and_write_it() -> None:
    assert set("".join(p.question + "\n" + "".join(spellings(p)) for p in ALL)) <= set(ALPHABET)


@pytest.fixture(scope="module")
def verdicts() -> Iterator[Callable[..., list[Verdict]]]:
    """`verdicts(problem, response, …)`."""
    with Judge(workers=1, settings={"quantity": {"relative_tolerance": 0}}) as judge:
        yield lambda problem, *responses: judge.verify([problem] * len(responses), responses)


def test_number_unit_and_form_are_graded_apart(verdicts) -> None:
    problem = next(p for p in Lengths().problems("train") if p.question == "2m+5cm=?cm")
    assert problem.gold == "205 cm"
    found = verdicts(problem, "####205cm", "205cm", "####2050mm", "####205m", "####205", "####210cm", "205+5", "")
    parts = [(v.value is VerdictValue.CORRECT, v.parts.get("value"), v.parts.get("unit")) for v in found]
    assert parts == [
        (True, 1, 1),
        (True, 1, 1),
        (True, 1, 1),
        (False, 1, 0),
        (False, 1, 0),
        (False, 0, 1),  # within 5%, which counts unless the run says otherwise
        (False, 0, 0),
        (False, None, None),
    ]
    assert [v.basis.partition("/")[0] for v in found[:2]] == ["hash", "bare"]


def test_a_spelling_without_its_unit_is_wrong_and_the_others_are_right(verdicts) -> None:
    problem = ALL[0]
    right = [v.correct for v in verdicts(problem, *spellings(problem))]
    assert right == [True, True, False] * 2


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"task lengths: largest = 0; expected"):
        Lengths(largest=0)
    with pytest.raises(DataError, match=r"no test problems with test_fraction=0"):
        Lengths(largest=2, test_fraction=0.0).problems("test")
