from __future__ import annotations

import numpy as np
import pytest
from transformers import GenerationConfig

from counterpoise.rollouts.stopping import StopStrings, end_of_sequence_ids


def ids(text: str) -> list[int]:
    """'.' stands for the special token <unk>."""
    return [2 if character == "." else 3 + ord(character) - ord("a") for character in text]


@pytest.mark.parametrize(("declared", "expected"), [(None, (1,)), (5, (1, 5)), ([7, 1, 6], (1, 6, 7))])
def test_end_ids_are_those_of_the_generation_configuration_and_the_tokenizer(tokenizer, declared, expected) -> None:
    assert end_of_sequence_ids(GenerationConfig(eos_token_id=declared), tokenizer) == expected


def test_a_model_without_generation_configuration_ends_by_its_tokenizer(tokenizer) -> None:
    assert end_of_sequence_ids(None, tokenizer) == (1,)


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        ("aaend", 4, 5),  # the newest token completes it
        ("aaendaa", 2, 5),  # found some tokens late, at the token that completed it
        ("aaendend", 0, 5),  # the first of two
        ("aae....nd", 8, 9),  # special tokens are not part of the text and do not use up the tail
        ("aae...........nd", 15, 16),
        ("stopend", 0, 4),  # whichever string comes first
        ("aaen", 0, 0),
        ("....", 0, 0),
    ],
)
def test_the_token_that_completes_a_stop_string(tokenizer, text, seen, expected) -> None:
    found = StopStrings(tokenizer, ("end", "stop")).ends(np.array([ids(text)]), seen)
    assert found.tolist() == [expected]


def test_rows_are_searched_apart(tokenizer) -> None:
    rows = np.array([ids("abend"), ids("abcde"), ids("endab")])
    assert StopStrings(tokenizer, ("end",)).ends(rows, 0).tolist() == [5, 0, 3]


def test_every_cut_of_a_response_finds_the_same_end(tokenizer) -> None:
    row = np.array([ids("bcaendbc")])
    stops = StopStrings(tokenizer, ("end",))
    for step in (1, 2, 3, 5, 8):
        seen, found = 0, 0
        while not found:
            upto = min(seen + step, 8)
            found, seen = int(stops.ends(row[:, :upto], seen)[0]), upto
        assert found == 6
