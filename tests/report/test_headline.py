import pytest

from counterpoise.report.build import build_report
from counterpoise.report.headline import headline


@pytest.fixture
def said(make_run, disk):
    """`said(a=(before, after), …)`: the headline of runs whose problems have so many right of 16."""

    def call(against=None, problems=30, **runs):
        paths = []
        for name, counts in runs.items():
            rows = {3 * place: disk.counts(*[c] * problems) for place, c in enumerate(counts) if c is not None}
            paths.append(str(make_run(name, evaluations=rows)))
        return headline(build_report(paths, against=against, resamples=50))

    return call


def test_one_run_against_its_own_base(said):
    # 1 - C(8,2)/C(16,2) - (1 - C(12,2)/C(16,2)) = 31.7 points at two tries; from 13 tries on 4 of 16 always hold a success
    assert said(a=(4, 8)) == "Better than its own base up to 12 tries (+25.0 points at one try, +31.7 at 2 tries)."


def test_one_run_that_loses(said):
    assert said(a=(8, 4)) == "Worse than its own base up to 12 tries (-25.0 points at one try, -31.7 at 2 tries)."


def test_where_curves_cross(make_run, disk):
    # The base solves every problem sometimes, the run half of them always.
    rows = {0: disk.counts(*[4] * 60), 3: disk.counts(*[16, 0] * 30)}
    text = headline(build_report([str(make_run("a", evaluations=rows))], resamples=200))
    assert text.startswith(
        "Better than its own base at one try, worse from 4 tries on (+25.0 points at one try, -50.0 at 16 tries)"
    )


def test_several_runs(said):
    text = said(a=(4, 8), b=(4, 8), c=(4, 2), d=(4, 4))
    assert text == (
        "At one try a and b are better than their own base (by up to 25.0 points), c is worse (-12.5 points), d is not clearly different; "
        "at 2 tries a and b are better (by up to 31.7 points), c is worse (-20.8 points), d is not clearly different."
    )


def test_several_alike(said):
    assert said(a=(4, 4), b=(4, 4)) == "Neither is clearly different from its own base at one try or at 16 tries."


def test_runs_of_one_reference(said):
    assert said(against="a", a=(None, 4), b=(None, 8)) == (
        "b, against a: better up to 12 tries (+25.0 points at one try, +31.7 at 2 tries)."
    )


def test_without_anything_to_compare(said, make_run):
    assert said(a=(None, 4)) == "25.0% of the problems are solved in one try, 100.0% within 16 tries."
    assert (
        headline(build_report([str(make_run("b"))], resamples=50)) == "Not evaluated yet: there is no pass@k to show."
    )


def test_other_problems_are_not_compared(make_run, disk):
    runs = [
        make_run("a", evaluations={3: disk.counts(4, 8)}),
        make_run("b", evaluations={3: disk.counts(4, 8, first=9)}),
    ]
    text = headline(build_report([str(run) for run in runs], resamples=50))
    assert text == "These runs answered different problems, so no difference between them is taken."
