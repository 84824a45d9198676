"""The columns that docs/engines.md names are those a run writes."""

import json
import re
from pathlib import Path

from counterpoise.engines.local import train
from counterpoise.engines.run_directory import RESUMABLE, RunDirectory

DOCUMENT = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")


def test_every_column_is_documented_and_no_other(configure):
    extras = ["diagnostics.every=1", "loss.kl=0.01", "loss.entropy=0.001"]
    run = RunDirectory.create(configure(*extras, "learner.steps=1"))
    train(run)
    (line,) = run.metrics.read_text().splitlines()
    rows = [row.split("|")[1] for row in DOCUMENT.splitlines() if row.startswith("| `")]
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(documented) == len(set(documented))
    assert set(json.loads(line)) - {"step", "time"} == set(documented)


def test_what_a_resumed_run_may_change_is_documented():
    (paragraph,) = re.findall(r"A resumed run may change: (.*?)\n\n", DOCUMENT, flags=re.DOTALL)
    assert all(f"`{name.rstrip('.')}`" in paragraph for name in RESUMABLE)
