import json
from collections import Counter

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.shared.options import shuffled
from counterpoise.tasks.sources.choice import ChoiceTask

OPTIONS = ["argon", "iron", "sulfur", "neon"]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(tmp_path, *rows, **settings):
    return ChoiceTask(test=write(tmp_path / "test.jsonl", rows), **settings).problems("test")


def test_mmlu(tmp_path):
    (problem,) = load(
        tmp_path,
        {"question": "Which is a metal?", "choices": OPTIONS, "answer": 1, "subject": "chemistry"},
        task_type_field="subject",
    )
    assert problem.question == (
        "Which is a metal?\nA. argon\nB. iron\nC. sulfur\nD. neon\nAnswer with the letter of one option."
    )
    assert (problem.gold, problem.verifier, problem.demonstration) == ("B of 4", "choice", "\\boxed{B}")
    assert (problem.task_type, problem.meta["guess_rate"]) == ("chemistry", 0.25)


@pytest.mark.parametrize("answer", [1, "B", "b", "iron", " iron "])
def test_the_answer_is_an_index_a_letter_or_the_text(tmp_path, answer):
    assert load(tmp_path, {"question": "q", "choices": OPTIONS, "answer": answer})[0].gold == "B of 4"


def test_arc(tmp_path):
    choices = {"text": OPTIONS[:3], "label": ["1", "2", "3"]}
    (problem,) = load(tmp_path, {"question": "q", "choices": choices, "answerKey": "3"}, answer="answerKey")
    assert (problem.gold, problem.meta["guess_rate"]) == ("C of 3", 1 / 3)


def test_gpqa_is_shuffled(tmp_path):
    rows = [
        {"Question": f"q {n}", "Right": f"right {n}", "Wrong 1": "x", "Wrong 2": "y", "Wrong 3": "z"}
        for n in range(400)
    ]
    problems = load(tmp_path, *rows, question="Question", answer="Right", wrong=["Wrong 1", "Wrong 2", "Wrong 3"])
    assert all(f"\n{p.gold[0]}. right {n}\n" in p.question for n, p in enumerate(problems))
    letters = Counter(p.gold[0] for p in problems)
    assert all(65 < letters[letter] < 135 for letter in "ABCD")  # 100 expected, standard deviation 8.7


def test_the_order_follows_from_the_content(tmp_path):
    rows = [{"question": f"q {n}", "choices": OPTIONS, "answer": 1} for n in range(50)]
    turned = [{"question": f"q {n}", "choices": OPTIONS[::-1], "answer": 2} for n in range(50)]
    problems, others = (load(tmp_path, *group, shuffle=True) for group in (rows, turned))
    assert [p.problem_id for p in problems] == [p.problem_id for p in others]
    assert len({p.gold for p in problems}) == 4
    assert problems == load(tmp_path, *rows, shuffle=True)
    assert sorted(shuffled(5, "ff")) == [0, 1, 2, 3, 4]


def test_selfcheck_passes(tmp_path, self_check):
    rows = [{"question": f"A metal {n}?", "choices": [*OPTIONS, f"x {n}"], "answer": n % 5} for n in range(40)]
    report = self_check(load(tmp_path, *rows), task="choice")
    assert report.ok, [offence for probe in report.probes for offence in probe.offences]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"answer": 4},
            "field 'answer': expected the letter, the index from 0 or the text of one of 4 options, found '4'",
        ),
        ({"answer": "E"}, "one of 4 options, found 'E'"),
        ({"answer": True}, "one of 4 options, found 'True'"),
        ({"answer": None}, "one of 4 options, found 'None'"),
        ({"answer": "lead"}, "one of 4 options, found 'lead'"),
        ({"choices": ["B", "A"], "answer": "A"}, "one of 2 options, found 'A'"),
        (
            {"choices": ["x"], "answer": 0},
            r"expected 2 to 26 options that are not empty and all different, found \['x'\]",
        ),
        ({"choices": ["x", "x"], "answer": 0}, "all different"),
        ({"choices": ["x", " "], "answer": 0}, "not empty"),
        ({"choices": "x", "answer": 0}, "field 'choices': expected a list of texts, found 'x'; name the field"),
        ({"choices": [1, 2], "answer": 0}, "expected a list of texts"),
    ],
)
def test_malformed_records(tmp_path, fields, message):
    record = {"question": "q", "choices": OPTIONS, "answer": 0} | fields
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, record)
    assert "test.jsonl:1" in str(caught.value)


def test_settings(tmp_path):
    with pytest.raises(ConfigError, match="task 'choice' needs a file"):
        ChoiceTask()
    assert ChoiceTask(path="x.jsonl", wrong="Wrong 1").wrong == ("Wrong 1",)
    with pytest.raises(ConfigError, match="give either path"):
        ChoiceTask(path="x.jsonl", test="y.jsonl")


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    path = tmp_path / "test.parquet"
    parquet.write_table(pyarrow.table({"question": ["q"], "choices": [OPTIONS], "answer": [3]}), path)
    assert ChoiceTask(test=path).problems("test")[0].gold == "D of 4"
