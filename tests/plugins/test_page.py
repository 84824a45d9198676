"""docs/own-parts.md: its files are written, and whatever its run files name is looked up."""

import re
import tomllib
from pathlib import Path

import pytest

from counterpoise.config.parts import parts_in
from counterpoise.credit import EMPHASES, RULES
from counterpoise.credit.controllers.registry import CONTROLLERS
from counterpoise.credit.token_weights import TOKEN_WEIGHTS
from counterpoise.diagnostics.guards.registry import GUARDS
from counterpoise.losses.registry import LOSSES
from counterpoise.plugins import is_reference
from counterpoise.prompts.templates import TEMPLATES
from counterpoise.rewards.registry import REWARDS
from counterpoise.tasks.registry import TASKS
from counterpoise.verifiers.registry import VERIFIERS

REGISTRIES = {
    registry.kind: registry
    for registry in (RULES, EMPHASES, TOKEN_WEIGHTS, CONTROLLERS, LOSSES, REWARDS, GUARDS, VERIFIERS, TASKS, TEMPLATES)
}

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "own-parts.md").read_text(encoding="utf-8")
HOW_TO = (DOCS / "how-to" / "own-reward.md").read_text(encoding="utf-8")


def _blocks(language, page=PAGE):
    for match in re.finditer(rf"^( *)```{language}\n(.*?)^ *```$", page, flags=re.MULTILINE | re.DOTALL):
        yield re.sub(rf"^{match[1]}", "", match[2], flags=re.MULTILINE)


def test_what_the_page_names_is_a_part_of_that_kind(code):
    for text in (*_blocks("python"), next(_blocks("python", HOW_TO))):
        code(re.match(r"# (\w+\.py)\n", text)[1], text)
    files = [tomllib.loads(text) for page in (PAGE, HOW_TO) for text in _blocks("toml", page)]
    named = [part for tables in files for part in parts_in(tables) if is_reference(part.name)]
    assert sorted(part.key for part in named) == [
        "credit.rule", "prompt.template", "tasks.name", "tasks.name", "tasks.settings.verifier",
    ]  # fmt: skip
    for part in named:
        if part.name.startswith("verifiers:"):
            continue  # no such environment is installed
        assert REGISTRIES[part.kind][part.name] is not None


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_every_kind_has_a_row(kind):
    assert f"\n| {kind.replace('_', ' ')} | `" in PAGE
