"""What a study measured, read from its runs."""

from types import SimpleNamespace

import pytest

from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.jobs.study.gather import gather_study


def counts(*right, n=4):
    return [ProblemCounts(problem_id=f"p{i}", n=n, c=c) for i, c in enumerate(right)]


def run(tmp_path, arm, after, *, planned=4, kept=None):
    """A run as it lies there: `after` holds the counts of each step that was evaluated, the last being its end."""
    path, last = tmp_path / arm, max(after)
    path.mkdir()
    lines = [
        f'{{"step": {step}, "success_rate": {step / 10}, "rollouts_per_problem": {10 * step}}}\n'
        for step in range(1, last + 1)
    ]
    (path / "metrics.jsonl").write_text("".join(lines))
    before = SimpleNamespace(counts=counts(0, 2), manifest=SimpleNamespace(settings=SimpleNamespace(temperature=1.0)))
    return SimpleNamespace(
        arm=arm, seed=0, bed="", axes={}, base=path, base_temperatures=(), evaluated=sorted(after), last_step=last,
        kept_step=last if kept is None else kept,
        config=SimpleNamespace(path=path, learner=SimpleNamespace(steps=planned)),
        base_result=lambda: before,
        result=lambda step: SimpleNamespace(counts=after[step]),
    )  # fmt: skip


def test_a_run_that_was_ended_is_compared_with_those_that_trained_on(tmp_path):
    runs = [
        run(tmp_path, "short", {2: counts(1, 3), 3: counts(4, 4)}, kept=1),
        run(tmp_path, "whole", {2: counts(1, 3), 4: counts(0, 4)}),
    ]
    found = gather_study(SimpleNamespace(places={"": runs}))
    undone = next(cell for cell in found.cells if (cell.arm, cell.step) == ("short", 2))
    assert "success" not in undone.trained and undone.trained["rollouts_per_problem"] == 20
    steps = {arm: [cell.step for cell in found.cells if cell.arm == arm] for arm in ("short", "whole")}
    assert steps == {"short": [2, 3, 4], "whole": [2, 4]}
    ended, later = (cell for cell in found.cells if cell.arm == "short" and cell.step > 2)
    assert (later.points, later.less, later.trained) == (ended.points, ended.less, ended.trained)
    assert later.trained["success"] == 0.1  # of the weights it went back to
    assert later.trained["rollouts_per_problem"] == 30  # what it was trained on, not what was planned
    (between,) = (d for d in found.differences if (d.arm, d.against, d.step) == ("whole", "short", 4))
    assert between.points[0].estimate == pytest.approx(0.5 - 1.0)
