import json

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.sources.scibench import Scibench, split_unit


def row(question, number, unit, source="atkins", **fields):
    return {"problem_text": question, "answer_latex": number, "answer_number": number, "unit": unit, "source": source,
            "problemid": " 1.1 ", "comment": " "} | fields  # fmt: skip


# Own problems with the columns, the blanks and the spellings of the published files.
ROWS = [
    row("How much work raises a weight of 260 N by 10 m?", "2600", "$\\mathrm{J}$"),
    row("How long does light need to cross a proton?", "2.9", "$10^{-24} \\mathrm{~s}$ ", source="class"),
    row("What is the molar heat capacity of argon?", "20.8", " $\\mathrm{JK}^{-1} \\mathrm{~mol}^{-1}$\r\n"),
    row("How many heads are expected in six throws?", "3", " ", source="stat"),
    row("What is in the account after ten years?", "89,034.79", " $", source="diff"),
    row("What is absolute zero in degrees Celsius?", "−273.15", "$^{\\circ} \\mathrm{C}$ "),
    row("Which share of the light is reflected?", "4.0", " %", source="fund"),
    row("At which angle is it reflected?", "41", "$^\\circ$", source="fund"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(ROWS[:5]), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps([*ROWS[5:], ROWS[0]]), encoding="utf-8")
    return tmp_path


def test_problems(folder):
    loaded = Scibench(path=folder).loaded("test")
    assert (len(loaded.problems), loaded.duplicates, loaded.conflicts) == (8, 1, 0)
    first, second = loaded.problems[:2]
    assert first.gold == "2600 [\\mathrm{J}]"
    assert first.question.endswith("by 10 m?\nGive the answer in $\\mathrm{J}$.")
    assert (first.task_type, first.verifier, first.demonstration) == ("atkins", "quantity", "\\boxed{2600 \\mathrm{J}}")
    assert second.gold == "2.9 \\times 10^{-24} [\\mathrm{~s}]"
    assert second.question.endswith("Give the answer in $\\mathrm{~s}$.")
    assert second.meta["problemid"] == "1.1"
    assert loaded.problems[3].question == "How many heads are expected in six throws?"
    assert (loaded.problems[4].gold, loaded.problems[4].question.splitlines()[1]) == (
        "89,034.79",
        "Give the answer in dollars.",
    )
    assert loaded.problems[5].gold.startswith("-273.15 [")


def test_an_unstated_unit_is_required(folder, judge):
    stated, unstated = (Scibench(path=folder, state_unit=state).problems("test")[0] for state in (True, False))
    assert "Give the answer" not in unstated.question
    assert unstated.problem_id == stated.problem_id
    verdicts = judge.verify([stated, stated, unstated, unstated], [r"\boxed{2600}", r"\boxed{2.6\,kJ}"] * 2)
    assert [v.value.value for v in verdicts] == ["correct", "correct", "wrong", "correct"]


def test_selfcheck_passes(folder, self_check):
    report = self_check(Scibench(path=folder).problems("test"), task="scibench")
    assert report.ok, [offence for probe in report.probes for offence in probe.offences]
    assert [probe.count for probe in report.probes] == [8, 8, 16, 88, 32, 24]


@pytest.mark.parametrize(
    ("column", "split"),
    [
        ("", ("", "")),
        (" ", ("", "")),
        ("$\\mathrm{~m}$ ", ("", "\\mathrm{~m}")),
        ("$10^{42}$", ("\\times 10^{42}", "")),
        (" $\\mathrm{10^7} \\mathrm{~km}$", ("\\times 10^{7}", "\\mathrm{~km}")),
        (" $\\mathrm{10^{-4}} \\mathrm{~cm}^3/\\mathrm{s}$", ("\\times 10^{-4}", "\\mathrm{~cm}^3/\\mathrm{s}")),
        (" 10^{-5} \\mathrm{~m}", ("\\times 10^{-5}", "\\mathrm{~m}")),
        (" $10^{16}$ photons", ("\\times 10^{16}", "photons")),
        (" $10 ^ {-6}m/s^2$", ("\\times 10^{-6}", "m/s^2")),
        (" $\\$$", ("", "\\$")),
        ("$", ("", "\\$")),
    ],
)
def test_unit_column(column, split):
    assert split_unit(column) == split


def test_sides(folder):
    task = Scibench(path=folder, test_fraction=0.5)
    train, test = ({p.problem_id for p in task.problems(side)} for side in ("train", "test"))
    assert len(train) + len(test) == 8
    assert not train & test
    with pytest.raises(DataError, match=r"task 'scibench' has no train problems: .* holds 8 and test_fraction=1\.0"):
        Scibench(path=folder).problems("train")


def test_mistakes(tmp_path):
    with pytest.raises(ConfigError, match=r"task 'scibench' needs files: give path=FILE\.json, or path=DIRECTORY"):
        Scibench().problems("test")
    with pytest.raises(ConfigError, match=r"task scibench: test_fraction = 2; expected a number in \[0, 1\]"):
        Scibench(test_fraction=2)
    for path in (tmp_path, tmp_path / "absent.json"):
        with pytest.raises(DataError, match="is not a JSON file and no directory with some; check the path"):
            Scibench(path=path).problems("test")
    bad = tmp_path / "bad.json"
    for text, message in (
        ('{"a": 1}', r"bad\.json: expected one JSON array of objects, found an object"),
        ("[1]", r"bad\.json: element 1: expected a JSON object, found a number"),
        ("[", r"bad\.json: expected one JSON array of objects, found something else"),
        (json.dumps([row("q", "", "")]), r"bad\.json: element 1: field 'answer_number' is empty"),
        (json.dumps([row("q", "1", None)]), r"bad\.json: element 1: field 'unit': expected text, found None"),
    ):
        bad.write_text(text)
        with pytest.raises(DataError, match=message):
            Scibench(path=bad).problems("test")
