"""The columns that docs/engines.md names are those a run writes."""

import json
import re
from pathlib import Path

from counterpoise.engines.local.loop import train
from counterpoise.runs.directory import RESUMABLE, RunDirectory

DOCUMENT = (Path(__file__).parents[3] / "docs" / "engines.md").read_text(encoding="utf-8")


def test_every_column_is_documented_and_no_other(configure):
    documented = _named(DOCUMENT)
    assert len(documented) == len(set(documented))
    extras = ["learner.steps=1", "diagnostics.every=1", "loss.kl=0.01", "loss.entropy=0.001"]
    held_out = ('guards.names=["narrowing"]', "guards.settings.narrowing={every=1, problems=2, n=2, k=2}")
    of_kinds = {"kinds_kept", "kinds_effective"}  # of a task that tells kinds apart: test_kinds.py
    ppo = configure(*extras, "credit.rule=ppo", "credit.settings.kl=0.01", *held_out, name="ppo")
    assert _columns(ppo) == set(documented) - of_kinds
    drawn = {"held_out_pass_1", "held_out_pass_k"}
    critic = DOCUMENT.split("### Critic")[1].split("###")[0]
    assert _columns(configure(*extras, name="other")) == set(documented) - set(_named(critic)) - drawn - of_kinds


def _named(text):
    rows = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def _columns(config):
    run = RunDirectory.create(config)
    train(run)
    (line,) = run.metrics.read_text().splitlines()
    found = set(json.loads(line)) - {"step", "time"}
    # a column for each part of a verdict: the document names the family
    families = {name.partition("/")[0] for name in found if "/" in name}
    assert all(f"`{family}/NAME`" in DOCUMENT for family in families)
    return {name for name in found if "/" not in name}


def test_what_a_resumed_run_may_change_is_documented():
    (paragraph,) = re.findall(r"A resumed run may change: (.*?)\n\n", DOCUMENT, flags=re.DOTALL)
    assert all(f"`{name.rstrip('.')}`" in paragraph for name in RESUMABLE)
