"""docs/how-to/own-reward.md: its files and commands, as somebody types them who reads it for the first time."""

import json
import re
import shlex
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "own-reward.md").read_text(encoding="utf-8")
SMALL = """
[rollout]
prompts_per_step = 2
group_size = 2
max_tokens = 4

[learner]
steps = 1

[evaluation]
problems = 4
n = 2
"""


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(command, tmp_path, tiny_policy):
    """What the page says to write, with more problems and smaller numbers."""
    (lines,) = blocks("json")
    more = [json.dumps({"question": f"{a}+{b}=", "answer": a + b}) for a in range(10) for b in range(5)]
    (tmp_path / "problems.jsonl").write_text(lines + "\n".join(more) + "\n")
    (tmp_path / "rewards.py").write_text(blocks("python")[0])
    (text,) = blocks("toml")
    (tmp_path / "run.toml").write_text(text.replace('"lab"', f'"{tiny_policy}"') + SMALL)
    return tmp_path


def test_the_page_s_commands_work_in_their_order(folder, command):
    (lines,) = blocks("sh")
    calls = [shlex.split(line)[1:] for line in lines.splitlines()]
    assert [call[0] for call in calls] == ["tasks", "tasks", "train", "train", "compare", "report"]
    for call in calls:
        result = command(*call)
        assert result.exit_code == 0, (call, result.output)
    assert (folder / "report.html").stat().st_size > 10_000
    kept = folder / "runs" / "own" / "parts" / "rewards.py"
    assert kept.read_bytes() == (folder / "rewards.py").read_bytes()


def test_the_page_s_cell_trains(folder, tiny_policy, monkeypatch):
    import linecache

    import counterpoise

    cell = blocks("python")[1].replace('model="lab"', "model=policy").replace("steps=20)", "steps=1, **small)")
    linecache.cache["<cell>"] = (len(cell), None, cell.splitlines(keepends=True), "<cell>")
    small = {
        "rollout": {"prompts_per_step": 2, "group_size": 2, "max_tokens": 4},
        "evaluation": {"problems": 4, "n": 2},
    }
    names = {"__name__": "__main__", "policy": tiny_policy, "small": small}
    exec(compile(cell, "<cell>", "exec"), names)
    (run,) = Path("runs").glob("*/config.toml")
    assert ".python/check-" in run.read_text()
    assert counterpoise.evaluate(run.parent).result.counts
