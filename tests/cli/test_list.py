"""`counterpoise list`: every name that a run file can give, with a line of each."""

import pytest

from counterpoise.config.catalogue import CATALOGUE


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_name_has_a_line(kind):
    entries = CATALOGUE[kind].load()
    assert entries
    assert all(entry.said and "\n" not in entry.said for entry in entries)


def test_list_names_them_and_marks_what_is_there_for_comparison(command, answer):
    assert "credit.token_weights" in command("list").stdout
    rules = command("list", "rules").stdout.splitlines()
    assert next(line for line in rules if "gdpo" in line).split()[1:3] == ["for", "comparison"]
    assert not [line for line in rules if "for comparison" in line and "gdpo" not in line]
    found = answer("list")
    assert [entry["name"] for entry in found["filters"] if entry["for_comparison"]] == ["zero_variance"]


@pytest.mark.parametrize("kind", ["losses", "guards", "filters"])
def test_a_kind_is_told_with_the_key_that_takes_its_names(command, answer, kind):
    result, entries = command("list", kind), CATALOGUE[kind].load()
    assert all(f"{entry.name} " in result.stdout for entry in entries)
    assert result.stderr == f"given as {CATALOGUE[kind].key}\n"
    assert [(entry["name"], entry["said"]) for entry in answer("list", kind)[kind]] == [
        (entry.name, entry.said) for entry in entries
    ]


@pytest.mark.parametrize(
    ("kind", "says"),
    [("ruls", "unknown kind of names 'ruls'; did you mean 'rules'?"), ("\x1b[2J", "unknown kind of names")],
)
def test_a_kind_that_there_is_none_of(refused, kind, says):
    assert "\x1b" not in refused("list", kind, says=says).output
