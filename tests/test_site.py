"""The pages of the site that are made from the code: everything that a run file can name is on one, with its settings."""

import importlib.util
import re
from pathlib import Path

import pytest

from counterpoise.cli.app import COMMANDS
from counterpoise.columns import COLUMNS
from counterpoise.config.catalogue import CATALOGUE
from counterpoise.config.describe import keys_of, sections, settings_of
from counterpoise.credit import RULES

ROOT = Path(__file__).parents[1]
_SPEC = importlib.util.spec_from_file_location("docs_site", ROOT / "scripts" / "docs_site.py")
docs_site = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(docs_site)


@pytest.fixture(scope="module")
def pages():
    return docs_site.reference_pages()


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_name_is_on_the_page_of_its_kind(pages, kind):
    page = pages[f"reference/{kind}.md"]
    assert [one.name for one in CATALOGUE[kind].load() if f"`{one.name}`" not in page] == []


def test_a_rule_has_its_settings_and_its_formula(pages):
    page = pages["reference/rules.md"].split("## `grpo`")[1].split("\n## ")[0]
    assert {key.name for key in settings_of(RULES["grpo"])} <= set(re.findall(r"^\| `(\w+)` \|", page, flags=re.M))
    assert RULES["grpo"].__doc__.strip().splitlines()[0] in page


def test_every_key_of_the_run_file_is_there_with_its_default(pages):
    page = pages["reference/run-file.md"]
    for name, section in sections().items():
        part = page.split(f"## `[{name}]`")[1].split("\n## ")[0]
        for key in keys_of(section):
            assert re.search(
                rf"^\| `{re.escape(key.name)}` \| .* \| `{re.escape(key.default_text)}` \|", part, flags=re.M
            ), key


def test_columns_and_commands_are_complete(pages):
    assert set(re.findall(r"^\| `([^`]+)`", pages["reference/columns.md"], flags=re.M)) == set(COLUMNS)
    named = re.findall(r"^## `counterpoise (\w+)", pages["reference/commands.md"], flags=re.M)
    assert set(COMMANDS) <= set(named) and "tasks" in named
    evaluation = pages["reference/commands.md"].split("## `counterpoise eval`")[1].split("\n## ")[0]
    assert "| `--n` | " in evaluation and "| `--task` | " in evaluation


def test_tables_hold_together(pages):
    for name, page in pages.items():
        blocks = re.findall(r"(?:^\|.*\n)+", page, flags=re.M)
        for block in blocks:
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, (name, block[:300])


def test_every_page_of_the_menu_is_there(pages):
    menu = set(re.findall(r"^ +- .*?([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.M))
    there = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    made = {*pages, *docs_site.REPOSITORY_PAGES}
    assert menu - there - made == set()
    assert made <= menu  # nothing is generated that nobody finds
    assert {page for page in there if not page.startswith("log/")} <= menu


@pytest.mark.parametrize(
    ("page", "link", "leads_to"),
    [
        ("README.md", "docs/trl.md", "trl.md"),
        ("README.md", "CONTRIBUTING.md", "contributing.md"),
        ("docs/python.md", "../examples/credit_by_hand.py", "examples/credit_by_hand.py"),
        ("docs/how-to/verl.md", "../../examples/credit_by_hand.py", "../examples/credit_by_hand.py"),
        ("docs/log/README.md", "../results.md", "../results.md"),
        ("docs/architecture.md", "../CONTRIBUTING.md", "contributing.md"),
    ],
)
def test_links_of_the_repository_lead_somewhere_in_the_site(page, link, leads_to):
    assert docs_site.site_link(page, link) == leads_to
