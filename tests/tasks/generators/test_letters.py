"""A letter of a word, and how many it has."""

import re
from collections import Counter

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.generators.letters import WORDS, Letters
from counterpoise.tasks.registry import make_task

PLACES = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8}


def everything(task):
    return [*task.problems("train"), *task.problems("test")]


def test_the_words_are_sixty_of_each_length():
    words = WORDS.split()
    assert len(set(words)) == len(words) == 300
    assert Counter(map(len, words)) == {4: 60, 5: 60, 6: 60, 7: 60, 8: 60}
    assert all(re.fullmatch("[a-z]+", word) for word in words)


def test_golds_follow_from_the_question():
    problems = everything(Letters())
    for problem in problems:
        place, word = re.fullmatch(r"What is the (\w+) letter of the word (\w+)\?", problem.question).groups()
        assert problem.gold == word[PLACES[place] - 1]
    # every letter of every word, once, but a and i, which without quotes are words
    letters = "".join(WORDS.split())
    assert len({problem.problem_id for problem in problems}) == len(problems)
    assert len(problems) == len(letters) - letters.count("a") - letters.count("i")
    assert Counter(problem.gold for problem in problems) == Counter(letters.replace("a", "").replace("i", ""))


def test_no_letter_is_the_answer_to_a_fifth_of_the_questions():
    golds = Counter(problem.gold for problem in everything(Letters()))
    assert max(golds.values()) / golds.total() < 0.2


def test_numbers_of_letters_are_equally_common():
    problems = everything(Letters(asks="number"))
    for problem in problems:
        word = re.fullmatch(r"How many letters does the word (\w+) have\?", problem.question)[1]
        assert int(problem.gold) == len(word)
    assert Counter(problem.gold for problem in problems) == dict.fromkeys("45678", 60)


def test_a_word_is_on_one_side_whatever_is_asked_of_it():
    tasks = (Letters(), Letters(asks="number"), Letters(position=2), Letters(shortest=6, longest=7))
    train, test = (
        {problem.meta["word"] for task in tasks for problem in task.problems(split)} for split in ("train", "test")
    )
    assert not train & test
    # 300 words at 0.1: 30, give or take 4 standard deviations of sqrt(27)
    assert 10 <= len(test) <= 51


def test_the_seed_is_an_order():
    first, second = Letters().problems("test"), Letters(seed=1).problems("test")
    assert first == Letters().problems("test") != second
    assert {problem.problem_id for problem in first} == {problem.problem_id for problem in second}


@pytest.mark.parametrize("position", [1, 4])
def test_one_place_alone(position):
    problems = everything(Letters(position=position))
    words = [word for word in WORDS.split() if word[position - 1] not in "ai"]
    assert sorted(problem.meta["word"] for problem in problems) == sorted(words)
    assert all(problem.gold == problem.meta["word"][position - 1] for problem in problems)


def test_lengths_are_those_asked_for():
    assert {len(p.meta["word"]) for p in everything(Letters(shortest=5, longest=6))} == {5, 6}


@pytest.mark.parametrize("asks", ["letter", "number"])
def test_selfcheck_passes_on_all_of_them(asks, self_check):
    report = self_check(Letters(asks=asks, shortest=5, longest=6).problems("train"), task="letters", sample=150)
    assert report.ok, [offence for probe in report.probes for offence in probe.offences]


@pytest.mark.parametrize(
    ("question", "response", "value"),
    [
        ("What is the third letter of the word garden?", "The third letter of the word garden is R.", "correct"),
        ("What is the third letter of the word garden?", 'The third letter is "r"', "correct"),
        ("What is the third letter of the word garden?", "The third letter of the word garden is d.", "wrong"),
        ("What is the third letter of the word garden?", "The word garden is a word", "no_answer"),
        ("What is the third letter of the word garden?", "G-A-R", "no_answer"),
        ("How many letters does the word garden have?", "The word garden has 6 letters.", "correct"),
        ("How many letters does the word garden have?", "The word garden has six letters.", "no_answer"),
        ("How many letters does the word garden have?", "5 or 6", "no_answer"),
    ],
)
def test_verdicts(question, response, value, judge):
    problems = {p.question: p for asks in ("letter", "number") for p in everything(Letters(asks=asks))}
    assert judge.verify([problems[question]], [response])[0].value == value


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"position": 5}, "position = 5 of words of shortest = 4 letters; expected at most as many"),
        ({"shortest": 7, "longest": 6}, "shortest = 7 and longest = 6; expected at most as many"),
        ({"asks": "number", "position": 2}, "position = 2 with asks = number, which asks for no letter; leave it out"),
        (
            {"asks": "number", "shortest": 8},
            "asks = number of words that all have 8 letters; set longest above shortest",
        ),
        ({"longest": 9}, r"longest = 9; expected an integer in \[4, 8\]"),
        ({"asks": "word"}, "asks = 'word'; expected one of: letter, number"),
    ],
)
def test_settings_that_ask_for_nothing_are_refused(settings, says):
    with pytest.raises(ConfigError, match=f"task letters: {says}"):
        make_task("letters", **settings)


def test_an_empty_side_is_refused():
    with pytest.raises(DataError, match="task 'letters' has no test problems with test_fraction=0"):
        Letters(test_fraction=0.0).problems("test")
