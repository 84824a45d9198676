import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.sources.math import Math, last_boxed

ROWS = [
    {"problem": "Halve $x$.", "solution": r"It is $\boxed{\frac{x}{2}}$.", "level": "Level 2", "type": "Algebra"},
    {
        "problem": "Name the set.",
        "solution": r"Not \boxed{1} but $\boxed{\{1, 2\}}$",
        "level": 5,
        "subject": "Counting",
        "answer": "x",
    },
    {"problem": "Three?", "solution": r"$\boxed 3$", "level": "Level ?"},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("solution", "gold"),
    [
        (r"\boxed{7}", "7"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{\sqrt{2}}} and {more}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{x \mid x > 0\}}", r"\{x \mid x > 0\}"),
        (r"\boxed{a\\}", r"a\\"),
        (r"\fbox{9}", "9"),
        (r"\boxed 7", "7"),
        (r"\boxed7", "7"),
        (r"\boxed {8}", "8"),
        (r"\boxed{\text{no } \}}", r"\text{no } \}"),
        (r"\boxed{1} \boxed{", None),
        (r"\boxed{}", None),
        (r"\boxed{unclosed", None),
        ("\\boxed{ends in a backslash\\", None),
        ("none", None),
    ],
)
def test_last_box(solution: str, gold: str | None) -> None:
    assert last_boxed(solution) == gold


def test_problems_with_level_and_subject(tmp_path: Path) -> None:
    problems = Math(train=write(tmp_path / "t.jsonl", ROWS)).problems("train")
    assert [p.gold for p in problems] == [r"\frac{x}{2}", r"\{1, 2\}", "3"]
    assert [dict(p.meta) for p in problems] == [
        {"level": 2, "subject": "Algebra"},
        {"level": 5, "subject": "Counting"},
        {"level": None},
    ]
    assert problems[0].demonstration == ROWS[0]["solution"]
    assert (problems[0].verifier, problems[0].task_type) == ("math", "math")


def test_solution_without_box_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"problem": "q", "solution": "it is 3"}])
    with pytest.raises(
        DataError, match=r"t\.jsonl:1: field 'solution': expected a closed, non-empty \\boxed{…}, found 'it is 3'"
    ):
        Math(train=path).problems("train")


def test_hub_reads_every_subject_or_the_five_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(name: str, config: str | None, *, split: str) -> list[dict[str, object]]:
        asked.append((name, config, split))
        return [{"problem": f"{name} {config} {split}", "solution": r"\boxed{1}"}]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert len(Math().problems("train")) == 7
    assert {name for name, _, _ in asked} == {"EleutherAI/hendrycks_math"}
    (only,) = Math(test_set="math500", allow_overlap=True).problems("test")
    assert only.question == "HuggingFaceH4/MATH-500 None test"
    assert len(Math().problems("test")) == 7


def test_unknown_test_set() -> None:
    with pytest.raises(ConfigError, match="test_set = '500'; expected one of: full, math500"):
        Math(test_set="500")  # type: ignore[arg-type]
