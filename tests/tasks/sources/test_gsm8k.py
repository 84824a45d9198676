import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from counterpoise.errors import ConfigError, DataError, MissingExtraError
from counterpoise.tasks.sources.gsm8k import Gsm8k, gsm8k_gold

ROWS = [
    {
        "question": "Ann has 3 boxes of 400 pins. How many pins?",
        "answer": "She has 3*400=<<3*400=1200>>1200 pins.\n#### 1,200",
    },
    {"question": "It was 2 degrees and fell by 9. Now?", "answer": "2-9=<<2-9=-7>>-7\n#### -7"},
    {"question": "Half of 5?", "answer": "5/2=2.5\n#### 2.5."},
]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("so #### 72", "72"),
        ("#### 1,234,567", "1234567"),
        ("#### 5.", "5"),
        ("#### -3", "-3"),
        ("#### 0.25", "0.25"),
        ("#### 1\n#### 2", "2"),
        ("####7", "7"),
        ("no marker 7", None),
        ("####", None),
        ("#### seven", None),
        ("#### 7 apples", None),
    ],
)
def test_gold(answer: str, gold: str | None) -> None:
    assert gsm8k_gold(answer) == gold


def test_problems_and_demonstrations(tmp_path: Path) -> None:
    first, second, third = Gsm8k(train=write(tmp_path / "t.jsonl", ROWS)).problems("train")
    assert (first.gold, second.gold, third.gold) == ("1200", "-7", "2.5")
    assert first.demonstration == "She has 3*400=1200 pins.\nThe final answer is \\boxed{1200}."
    assert (first.task_type, first.verifier, Gsm8k.template) == ("gsm8k", "math", "step_by_step_chat")


def test_gold_that_is_no_number_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [*ROWS, {"question": "q", "answer": "it is five"}])
    with pytest.raises(
        DataError, match=r"t\.jsonl:4: field 'answer': expected it to end in '#### NUMBER', found 'it is five'"
    ):
        Gsm8k(train=path).problems("train")


def test_contamination_and_missing_side(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", ROWS)
    with pytest.raises(DataError, match="task 'gsm8k': 3 of 3 test problems are also in the training file"):
        Gsm8k(train=path, test=path).problems("test")
    with pytest.raises(ConfigError, match="task 'gsm8k' has no train file; give it with train=FILE"):
        Gsm8k(test=path).problems("train")


def test_hub_when_no_file_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(name: str, config: str, *, split: str) -> list[dict[str, str]]:
        asked.append((name, config, split))
        return ROWS[:2] if split == "train" else ROWS[2:]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert [p.gold for p in Gsm8k().problems("train")] == ["1200", "-7"]
    assert asked == [("openai/gsm8k", "main", "train")]
    assert [p.gold for p in Gsm8k().problems("test")] == ["2.5"]


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str, config: str, *, split: str) -> None:
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    message = r"task 'gsm8k': cannot read openai/gsm8k \(main\), train from the Hugging Face hub \(no route to host\); check the network"
    with pytest.raises(DataError, match=message):
        Gsm8k().problems("train")


def test_hub_without_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"the task 'gsm8k' without local files .*pip install 'datasets>="):
        Gsm8k().problems("train")
