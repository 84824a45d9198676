from pathlib import Path

import pytest

from counterpoise.errors import ConfigError, DataError, UnknownNameError
from counterpoise.tasks.registry import make_task


def test_the_sources_stand_one_after_the_other_each_with_its_template() -> None:
    sources = [{"name": "countdown", "count": 3, "largest": 5}, {"name": "facts", "template": "plain"}]
    task = make_task("mixture", sources=sources)
    for split in ("train", "test"):
        problems = task.problems(split)
        countdown = make_task("countdown", count=3, largest=5)
        first = countdown.problems(split)
        assert [p.problem_id for p in problems[: len(first)]] == [p.problem_id for p in first]
        assert {(p.task_type, p.template) for p in problems} == {("countdown", countdown.template), ("facts", "plain")}
    assert task.template == "per_problem"


def test_a_source_of_several_types_can_count_as_one() -> None:
    own = make_task("mixture", sources=[{"name": "science", "size": 60}])
    assert {"mechanics", "circuits"} <= {problem.task_type for problem in own.problems("train")}
    one = make_task("mixture", sources=[{"name": "science", "size": 60, "task_type": "science"}])
    assert {problem.task_type for problem in one.problems("train")} == {"science"}


def test_files_are_given_as_text(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"question": "{name}?", "answer": "work\\n#### {len(name)}"}}\n')
    files = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "test")}
    [problem] = make_task("mixture", sources=[{"name": "gsm8k", **files}]).problems("test")
    assert (problem.question, problem.gold, problem.task_type) == ("test?", "4", "gsm8k")


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"task mixture: sources = \[\]; expected a list of tables"):
        make_task("mixture", sources=[])
    with pytest.raises(ConfigError, match=r"a source is \{'train': 'a'\}; expected a table with the task's name"):
        make_task("mixture", sources=[{"train": "a"}])
    with pytest.raises(UnknownNameError, match="did you mean 'facts'"):
        make_task("mixture", sources=[{"name": "fact"}])
    with pytest.raises(ConfigError, match="unknown setting 'cuont'"):
        make_task("mixture", sources=[{"name": "countdown", "cuont": 3}])
    with pytest.raises(ConfigError, match="itself a mixture"):
        make_task("mixture", sources=[{"name": "mixture", "sources": []}])
    twice = make_task("mixture", sources=[{"name": "facts"}, {"name": "facts"}])
    with pytest.raises(DataError, match="of facts is there twice"):
        twice.problems("train")
