import json
import sys
from types import SimpleNamespace

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.sources.nq_open import NqOpen

ROWS = [
    {"question": "when was anyone last on the moon", "answer": ["14 December 1972 UTC", "December 1972"]},
    {"question": "who wrote he ain't heavy", "answer": ["Bobby Scott", "Bob Russell", "Bobby Scott"]},
    {"question": "how many vampire seasons are there", "answer": ["eight", "8"]},
    {"question": "which was the eighth", "answer": ["8", "the last"]},
]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_problems(tmp_path):
    problems = NqOpen(test=write(tmp_path / "dev.jsonl", ROWS)).problems("test")
    assert [p.gold for p in problems][:2] == [
        '["14 December 1972 UTC", "December 1972"]',
        '["Bobby Scott", "Bob Russell"]',
    ]
    assert (problems[1].demonstration, problems[1].verifier, problems[1].task_type) == (
        "\\boxed{Bobby Scott}",
        "qa",
        "nq_open",
    )
    asked = NqOpen(test=tmp_path / "dev.jsonl", verifier="llm").problems("test")[2]
    assert json.loads(asked.gold) == {"question": "how many vampire seasons are there", "answers": ["eight", "8"]}
    assert asked.problem_id == problems[2].problem_id


def test_selfcheck_knows_that_lists_of_golds_overlap(tmp_path, self_check):
    problems = NqOpen(test=write(tmp_path / "dev.jsonl", ROWS)).problems("test")
    report = self_check(problems, task="nq_open")
    assert report.ok
    assert [probe.count for probe in report.probes] == [4, 4, 8, 44, 16, 12]


@pytest.mark.parametrize("answer", ["Paris", [], [""], [3], None, ["Paris", None], {"a": "b"}])
def test_answers_must_be_texts(tmp_path, answer):
    path = write(tmp_path / "dev.jsonl", [*ROWS, {"question": "q", "answer": answer}])
    with pytest.raises(DataError, match=r"dev\.jsonl:5: field 'answer': expected a list of texts such as \[\"Paris\""):
        NqOpen(test=path).problems("test")


def test_one_file_is_split_and_two_are_compared(tmp_path):
    path = write(tmp_path / "all.jsonl", [{"question": f"q {i}", "answer": ["a"]} for i in range(200)])
    task = NqOpen(path=path, test_fraction=0.3)
    assert len(task.problems("train")) + len(task.problems("test")) == 200
    with pytest.raises(DataError, match="200 of 200 test problems are also in the training file"):
        NqOpen(train=path, test=path).problems("test")
    with pytest.raises(ConfigError, match="give either path"):
        NqOpen(train=path, path=path)
    with pytest.raises(ConfigError, match="task nq_open: verifier = 'exact'; expected one of: qa, llm"):
        NqOpen(verifier="exact")


def test_the_hub_calls_the_test_side_validation(monkeypatch):
    asked = []

    def load_dataset(name, config, *, split):
        asked.append((name, config, split))
        return ROWS[:2] if split == "train" else ROWS[2:]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert [p.question for p in NqOpen().problems("test")] == [row["question"] for row in ROWS[2:]]
    assert asked[0] == ("google-research-datasets/nq_open", None, "validation")
