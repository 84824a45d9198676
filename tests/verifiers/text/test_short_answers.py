import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.verifiers.text import squad
from counterpoise.verifiers.text.short_answers import ShortGold, abstains, answer_tokens, parse_short_gold


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The Beatles", "beatles."),
        ("Beyoncé", "BEYONCE"),
        ("Straße", "strasse"),
        ("O’Connor", "O'Connor"),
        ("Jean-Paul Sartre", "Jean Paul Sartre"),
        ("1914–1918", "1914 - 1918"),
        ("1,234,567", "1234567"),
        ("three", "3"),
        ("nine", "9"),
        ("18, 426", "18,426"),
        ("18, 426", "18426"),
        ("$1, 234, 567 dollars", "1234567 dollars"),
        ("49 -- 47 BCE", "49–47 BCE"),
        ("49--47 BCE", "49 - 47 BCE"),
        ("49 — 47 BCE", "49-47 BCE"),
        ("one hundred", "100"),
        ("5 million", "5,000,000"),
        ("two hundred thousand", "200,000"),
        ("twenty-two million people", "22,000,000 people"),
        (r"\text{New} \textbf{York}", "New York"),
        ("<b>Paris</b>", "Paris"),
        ("<b>New</b> <i>York</i>", "New York"),
        (r"\displaystyle \text{Paris}", "Paris"),
        ("twenty-one", "21"),
        ("Forty two days", "42 days"),
        ("fourth", "4th"),
        ("50 percent", "50%"),
        (".5", "0.5"),
        ("36.0", "36"),
        ("C++", "c plus plus"),
        ("Disney+", "Disney Plus"),
        ("14 December 1972", "Dec. 14th, 1972"),
        ("14 December 1972", "the 14th of December, 1972"),
        ("14 December 1972", "1972-12-14"),
        ("May 3, 2001", "3 may 2001"),
        ("Sept 9 1999", "September 9, 1999"),
        ("U.S.", "US"),
        ("J. K. Rowling", "J.K. Rowling"),
        ("AT&T", "AT and T"),
        ("54\u00a0Mbit/s", "54 Mbit / s"),
        ("Peter Gardner[4] Ostrum", "Peter Gardner Ostrum"),
        ("Paris", "\u202ePa\u200bris\u202c"),
        ("ﬁnland", "Finland"),
        ("Paris", r"$\text{Paris}$."),
        ("Москва", "москва"),
    ],
)
def test_two_spellings_of_one_answer(left, right):
    assert answer_tokens(left) == answer_tokens(right) != ()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("3.5 million", "35 million"),
        ("-5", "5"),
        ("18, 426 and 7", "18426 and 7"),
        ("June 18, 426", "June 18426"),
        ("5 million", "5"),
        ("5 million", "5 billion"),
        ("hundred", "1"),
        ("49 -- 47", "4947"),
        ("1/2", "12"),
        ("10:30", "1030"),
        ("3-2", "32"),
        ("3-2", "3"),
        ("1,2", "12"),
        ("Vitamin A", "vitamin"),
        ("14 December 1972", "December 1972"),
        ("14 December 1972", "15 December 1972"),
        ("4 May 1972", "5 April 1972"),
        ("twenty one", "20"),
        ("third", "3"),
        ("New York", "York New"),
        ("World War I", "World War II"),
        ("C++", "C#"),
        ("C#", "C"),
        ("A+", "A"),
        ("A+", "A-"),
        ("AB-", "AB+"),
        ("1.0.0", "1"),
        ("36.05", "36"),
    ],
)
def test_two_answers(left, right):
    assert answer_tokens(left) != answer_tokens(right)


@given(st.lists(st.text(string.ascii_letters, min_size=2, max_size=6), max_size=6).map(" ".join))
def test_plain_words_are_squads(text):
    words = answer_tokens(text)
    if not {*text.lower().split()} & {"a", "an", "the"} and not any(
        word.isdigit() or word[:1].isdigit() for word in words
    ):
        assert words == squad.tokens(text)


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.",
        "I do not know",
        "I’m sorry, but I don't know the answer to that question.",
        "I really don't know for sure",
        "I am not sure.",
        "Unsure",
        "no idea",
        "I have no idea",
        "Unknown",
        "The answer is unknown.",
        "N/A",
        "cannot be determined",
        "Unable to determine from the given information",
        "I do not know who wrote that.",
        "I cannot answer that question",
    ],
)
def test_abstentions(text):
    assert abstains(answer_tokens(text))


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "I don't know, maybe Paris",
        "Not sure, Paris",
        "I don't know Paris",
        "The Unknown Soldier",
        "I know",
        "no",
        "none",
        "",
        "I don't know " * 20,
    ],
)
def test_no_abstention(text):
    assert not abstains(answer_tokens(text))


@pytest.mark.parametrize(
    ("gold", "parsed"),
    [
        ("Paris", ShortGold(answers=("Paris",))),
        ('["Paris", " Lutetia "]', ShortGold(answers=("Paris", "Lutetia"))),
        ('{"answers": ["Paris"], "question": "Where?"}', ShortGold(answers=("Paris",), question="Where?")),
        ('{"answers": "Paris"}', ShortGold(answers=("Paris",))),
        ("[sic]", ShortGold(answers=("[sic]",))),
        ("{x}", ShortGold(answers=("{x}",))),
        ("", None),
        (" \n", None),
        ("[]", None),
        ('["Paris"', None),
        ('["Paris", 3]', None),
        ('[" "]', None),
        ('{"answer": "Paris"}', None),
        ('{"answers": ["Paris"], "question": 3}', None),
        ('["' + "[" * 100_000, None),
    ],
)
def test_golds(gold, parsed):
    assert parse_short_gold(gold) == parsed
