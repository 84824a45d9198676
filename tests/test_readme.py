"""What the README shows is run."""

import re
import struct
from pathlib import Path

import pytest

from counterpoise.cli.app import COMMANDS, GROUPS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
COMMAND_TABLE = (DOCS / "commands.md").read_text(encoding="utf-8")
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")


def test_the_python_example_runs(capsys):
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    (code,) = (one for one in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "RunDirectory" in one)
    assert len(code.splitlines()) <= 25
    exec(compile(code, "python.md", "exec"), {"__name__": "readme"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["pass@1", "pass@2", "pass@4", "pass@8", "pass@16", "pass@32"]


def test_every_command_of_the_table_exists_and_none_is_left_out():
    named = set(re.findall(r"^\| `counterpoise (\w+)", COMMAND_TABLE, flags=re.MULTILINE))
    assert named == set(COMMANDS) | set(GROUPS)


def test_the_readme_is_short_and_names_commands_that_there_are():
    assert len(README.splitlines()) <= 80
    assert len(re.findall(r"\S+", README)) <= 600
    assert set(re.findall(r"`counterpoise (\w+)", README)) <= set(COMMANDS) | set(GROUPS)


def test_the_picture_is_small_and_there_in_daylight_and_dark():
    pictures = re.findall(r'(?:srcset|src)="([^"]+)"', README)
    assert pictures == [f"docs/images/{name}{dark}.png" for name in ("report", "real") for dark in ("-dark", "")]
    for picture in pictures:
        head = (ROOT / picture).read_bytes()[:24]
        assert struct.unpack(">II", head[16:]) == (1280, 640)


LINKS = sorted(
    {
        (str(path.relative_to(ROOT)), link)
        for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md"))
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_links_lead_somewhere(page, link):
    assert ((ROOT / page).parent / link).exists()


HEADINGS = re.compile(r"^#+ (.*)$", flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "target", "anchor"),
    sorted(
        (str(path.relative_to(ROOT)), target, anchor)
        for path in (ROOT / "README.md", *DOCS.rglob("*.md"))
        for target, anchor in re.findall(r"\]\(([^)#\s:]+\.md)#([^)\s]+)\)", path.read_text(encoding="utf-8"))
    ),
)
def test_links_to_a_heading_find_it(page, target, anchor):
    text = ((ROOT / page).parent / target).read_text(encoding="utf-8")
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADINGS.findall(text)]
    assert anchor in plain


def test_the_tree_names_every_package():
    packages = {path.parent.name for path in (ROOT / "src" / "counterpoise").glob("*/__init__.py")}
    described = set(re.findall(r"(\w+)/", ARCHITECTURE.split("## Where things are")[1].split("```")[1]))
    assert packages <= described
