"""What the README shows is run."""

import re
from pathlib import Path

import pytest

from counterpoise.cli.app import COMMANDS, GROUPS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(code.splitlines()) <= 25
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["pass@1", "pass@2", "pass@4", "pass@8", "pass@16", "pass@32"]


def test_every_command_of_the_table_exists_and_none_is_left_out():
    named = set(re.findall(r"^\| `counterpoise (\w+)", README, flags=re.MULTILINE))
    assert named == set(COMMANDS) | set(GROUPS)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./]+)\)", README))))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_the_tree_names_every_package():
    packages = {path.parent.name for path in (ROOT / "src" / "counterpoise").glob("*/__init__.py")}
    described = set(re.findall(r"(\w+)/", README.split("## Where things are")[1].split("```")[1]))
    assert packages <= described
