"""Every part that a run file can name stands in its page, and what is there for comparison is marked so in both places."""

import inspect
import re
from pathlib import Path

import pytest

from counterpoise.cli.app import COMMANDS, GROUPS
from counterpoise.credit import EMPHASES, FILTERS, RULES
from counterpoise.credit.controllers.registry import CONTROLLERS
from counterpoise.credit.token_weights import TOKEN_WEIGHTS
from counterpoise.diagnostics.guards.registry import GUARDS
from counterpoise.evaluation.estimators.registry import ESTIMATORS
from counterpoise.evaluation.imports.registry import FORMATS
from counterpoise.losses import DENOMINATORS, LOSSES
from counterpoise.rewards.aggregators import AGGREGATORS
from counterpoise.rewards.registry import REWARDS
from counterpoise.tasks.registry import TASKS
from counterpoise.verifiers.registry import VERIFIERS

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    "rule": ("objectives", RULES),
    "emphasis": ("objectives", EMPHASES),
    "filter": ("objectives", FILTERS),
    "token weight": ("objectives", TOKEN_WEIGHTS),
    "controller": ("objectives", CONTROLLERS),
    "loss": ("objectives", LOSSES),
    "denominator": ("objectives", DENOMINATORS),
    "reward": ("objectives", REWARDS),
    "aggregator": ("objectives", AGGREGATORS),
    "guard": ("guards", GUARDS),
    "verifier": ("verification", VERIFIERS),
    "task": ("tasks", TASKS),
    "estimator": ("evaluation", ESTIMATORS),
    "import format": ("evaluation", FORMATS),
}
PARTS = [(kind, name) for kind, (_, registry) in PAGES.items() for name in registry]


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_is_in_its_page(kind, name):
    page = DOCS / f"{PAGES[kind][0]}.md"
    assert re.search(rf"`{re.escape(name)}[`( ]", page.read_text(encoding="utf-8")), (
        f"docs/{page.name} has no `{name}`: add a row"
    )


@pytest.mark.parametrize(("kind", "name"), [part for part in PARTS if part[0] in ("rule", "aggregator")])
def test_what_is_there_for_comparison_is_marked(kind, name):
    page, registry = PAGES[kind]
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    said = "For comparison" in inspect.cleandoc(registry[name].__doc__)
    assert bool(re.search(rf"^\| `{name}` \* \|", text, flags=re.MULTILINE)) is said


CONTRIBUTING = (DOCS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
TO_ADD = [row for row in CONTRIBUTING.splitlines() if row.count("|") == 6 and "`" in row]


def test_contributing_has_a_row_for_every_kind_of_part():
    said = {row.split("|")[1].strip().removeprefix("credit ").removeprefix("row ") for row in TO_ADD}
    assert said == {*PAGES, "column of metrics.jsonl", "command"}


@pytest.mark.parametrize("row", TO_ADD, ids=lambda row: row.split("|")[1].strip())
def test_what_contributing_names_is_there(row):
    _, _, written, line, test, page, _ = row.split("|")
    source, tests = DOCS.parent / "src" / "counterpoise", DOCS.parent / "tests"
    for base, cell in ((source, written), (source, line), (tests, test), (DOCS, page)):
        for path in re.findall(r"`([\w./<>]+\.(?:py|md))`", cell):
            found = base / path
            missing = found.parent if "<name>" in path else found
            if path != "registry.py":  # beside the new file
                assert missing.exists(), path
    registry = re.search(r"`(_?[A-Z_]+)`", line)
    assert registry is None or any(
        f"{registry[1]}:" in file.read_text(encoding="utf-8") for file in source.rglob("*.py")
    ), registry[1]


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_every_command_has_the_test_that_contributing_promises(name):
    text = (DOCS.parent / "tests" / "cli" / f"test_{name}.py").read_text(encoding="utf-8")
    assert f'"{name}"' in text, f"tests/cli/test_{name}.py does not call counterpoise {name}"
