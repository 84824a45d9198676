"""Every study of the repository: it is whole, can start, and stands in the list with what it costs."""

import re
from pathlib import Path

import pytest

from counterpoise.cli.views.plan import plan_records
from counterpoise.jobs.study import load_study

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))
README = (STUDIES[0].parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_of_the_repository_is_planned_and_listed(path):
    study = load_study(path)
    assert len(plan_records(study)) == len(study.runs) > 0
    assert f"`{path.name}`" in README


@pytest.mark.parametrize("name", ["controlled_200", "lambda_200", "rates_200", "long_200"])
def test_the_cost_of_a_controlled_study_is_its_runs_times_what_a_step_takes(name):
    study = load_study(STUDIES[0].parent / f"{name}.toml")
    (row,) = re.findall(rf"^\| `{name}\.toml` \|.*\| (\d+) \| (\d+) \|$", README, flags=re.MULTILINE)
    steps = sum(run.config.learner.steps for run in study.runs)
    assert [int(number) for number in row] == [len(study.runs), round(steps / 200 * 220 / 60)]
