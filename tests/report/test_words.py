import math

from counterpoise.report import words
from counterpoise.report.build import build_report
from counterpoise.report.collect import read_runs
from counterpoise.report.metrics import choose_panels, set_flat_lines_aside


def test_numbers():
    assert words.percent(0.12345) == "12.3" and words.percent(math.nan) == "–"
    # -0.04 points rounds to zero, which has no minus
    assert words.points(-0.0004) == "+0.0" and words.points(0.0491) == "+4.9" and words.points(math.nan) == "–"


def test_differences_of_configurations_leave_names_out(make_run):
    runs = read_runs([str(make_run(name, rule=rule)) for name, rule in (("a", "psr"), ("b", "nsr"), ("c", "nsr"))])
    names, rows = words.configuration_table(runs)
    assert names == ["a", "b", "c"]
    assert [(row.key, row.values) for row in rows] == [("credit.rule", ("psr", "nsr", "nsr"))]
    bare = read_runs([str(make_run("d", config={"credit": {"rule": "nsr"}})), str(runs[1].path)])
    _, rows = words.configuration_table(bare)
    assert [(row.key, row.values) for row in rows] == [
        ("run.seed", ("not set", "0")),
        ("learner.steps", ("not set", "500")),
    ]


def test_bookkeeping_that_differs_stands_last(make_run):
    config = {"run": {"threads": 1, "seed": 0}, "checkpoint": {"keep": 2}, "learner": {"steps": 5}}
    other = {"run": {"threads": 2, "seed": 1}, "checkpoint": {"keep": 3}, "learner": {"steps": 6}}
    _, rows = words.configuration_table(
        read_runs([str(make_run("a", config=config)), str(make_run("b", config=other))])
    )
    assert [(row.key, row.bookkeeping) for row in rows] == [
        ("run.seed", False),
        ("learner.steps", False),
        ("run.threads", True),
        ("checkpoint.keep", True),
    ]


def test_columns_that_never_move_are_a_sentence(make_run):
    steps = [
        {"step": s, "unscored": 0.0, "no_answer_share": 0.0, "weight_plus": 1.0, "weight_minus": 0.5, "reward": s}
        for s in (1, 2, 3)
    ]
    others = [{**record, "weight_plus": 0.1} for record in steps]
    runs = read_runs([str(make_run("a", records=steps)), str(make_run("b", records=others))])
    panels, constants = set_flat_lines_aside(choose_panels(name for run in runs for name in run.columns), runs)
    assert [panel.key for panel in panels] == ["reward"]
    assert words.flat_sentences(constants) == [
        "0 at every step: No answer, unscored",
        "0.5 at every step: weight of wrong rollouts",
        "weight of right rollouts: 1 in a; 0.1 in b",
    ]


def test_one_or_two_steps_are_no_reason_to_call_a_column_constant(make_run):
    [run] = read_runs([str(make_run("a", records=[{"step": 1, "reward": 1.0}, {"step": 2, "reward": 1.0}]))])
    panels, constants = set_flat_lines_aside(choose_panels(run.columns), [run])
    assert [panel.key for panel in panels] == ["reward"] and constants == []


def test_findings_say_who_is_compared_and_why_not_paired(make_run, disk):
    paths = [
        make_run("a", evaluations={0: disk.counts(1, 2, 3), 9: disk.counts(16, 16, 16)}),
        make_run("b", evaluations={9: disk.counts(5, 6, first=7)}),
    ]
    found = words.findings(build_report([str(path) for path in paths], resamples=50))
    assert [heading for heading, _ in found] == ["a against base", "b against base"]
    assert found[0][1][0].startswith("a against base, over every k from 1 to 16 at once: gains for k=1-")
    assert found[0][1][1].startswith("a lies above base at k=1")
    assert found[1][1][0].startswith(
        "base and b did not answer the same problems (0 in common, 3 only in base, 2 only in b)"
    )


def test_findings_of_one_and_of_none(make_run, disk):
    lone = build_report([str(make_run("a", evaluations={9: disk.counts(4, 8)}))], resamples=50)
    # (4 + 8) / 32 and both solved
    assert words.findings(lone)[0][1][0] == "a goes from 37.5% at k=1 to 100.0% at k=16."
    none = build_report([str(make_run("b"))], resamples=50)
    assert words.findings(none) == [("", ["No run has a finished evaluation, so there is no pass@k to compare."])]


def test_a_panel_in_words(make_run):
    [run] = read_runs([str(make_run("a", records=[{"step": s, "reward": s / 10} for s in range(1, 21)]))])
    [panel] = choose_panels(run.columns)
    # means of 0.1..1.0 and 1.1..2.0
    assert words.panel_summary(panel, [run]).endswith("a, reward: from 0.55 to 1.55.")
