import math

import pytest

from counterpoise.report.build import build_report
from counterpoise.report.charts import chart_data, compact, crowded, dash_of, event_symbols, style_slot, symbol_of
from counterpoise.report.collect import read_runs
from counterpoise.report.metrics import choose_panels


def data_of(*paths):
    report = build_report([str(path) for path in paths], resamples=50)
    return chart_data(report, choose_panels(name for run in report.runs for name in run.columns), [])


def test_numbers_are_rounded_to_five_digits_and_undefined_ones_are_null():
    assert compact([1 / 3, 12345678.0, 1.0, None, math.nan, math.inf, 1e-7]) == [
        0.33333,
        12346000,
        1,
        None,
        None,
        None,
        1e-7,
    ]
    assert compact([0.0, 0.0]) == [0, 0] and compact([None]) == [None] and compact([-123456.7]) == [-123460]
    # a spread of 0.0005 in steps of 1e-8
    assert compact([0.9998, 1.00012345678, 1.0003]) == [0.9998, 1.00012346, 1.0003]


def test_styles_repeat_after_eight_runs_and_bases_have_their_own():
    assert [style_slot(style) for style in (-1, 0, 1, 8, 9)] == [0, 0, 1, 8, 1]
    assert [dash_of(style) for style in (0, -1, -4, 1, 2, 9)] == ["dash", "dot", "dash", "solid", "dot", "dot"]
    drawn = [(style_slot(style), dash_of(style), symbol_of(style)) for style in range(1, 25)]
    assert len({(slot, dash) for slot, dash, _ in drawn}) == len({(slot, mark) for slot, _, mark in drawn}) == 24


def test_curves_and_differences(make_run, disk):
    charts = data_of(make_run("a", evaluations={0: disk.counts(4, 8), 9: disk.counts(8, 12)}))["charts"]
    base, a = charts["curve-0"]["series"]
    # pass@1: (4 + 8) / 32 and (8 + 12) / 32
    assert (base["y"][0], a["y"][0]) == (37.5, 62.5)
    assert all(0 <= low <= high <= 100 for low, high in zip(a["low"], a["high"], strict=True))
    [difference] = charts["difference-0"]["references"]["base"]
    assert difference["y"][0] == 25 and difference["paired"]


def test_a_crossing_beyond_the_sweep_ends_at_its_edge(make_run, disk):
    sharp, broad = disk.counts(16, 0, 16, 0, 0, 1), disk.counts(2, 1, 3, 1, 0, 1)
    charts = data_of(make_run("a", evaluations={0: broad, 9: sharp}))["charts"]
    k, low, high = charts["difference-0"]["references"]["base"][0]["crossing"]
    assert 1 <= low <= k <= high == pytest.approx(16)


def test_evaluations_over_training(make_run, disk):
    path = make_run("a", evaluations={0: disk.counts(4, 8), 5: disk.counts(8, 8), 9: disk.counts(16, 16)})
    first, last = data_of(path)["charts"]["evaluations"]["series"]
    assert (first["name"], first["x"], first["y"]) == ("a, pass@1", [0, 5, 9], [37.5, 50, 100])
    # two tries tell the runs furthest apart: (1 - C(12,2)/C(16,2) + 1 - C(8,2)/C(16,2)) / 2 at first, then 1 - C(8,2)/C(16,2)
    assert (last["name"], last["y"]) == ("a, pass@2", [60.833, 76.667, 100])


def test_columns_events_and_checkpoints_of_a_run(make_run):
    path = make_run(
        "a",
        records=[{"step": 1, "reward": 0.123456}, {"step": 2, "reward": None}],
        events=[{"kind": "guard\u202e", "step": 2, "message": "x" * 999}],
        checkpoints=(2,),
    )
    data = data_of(path)
    [run] = data["runs"]
    assert run["columns"] == {"reward": [0.12346, None]} and run["checkpoints"] == (2,)
    assert run["events"] == [[2, "guard⟨U+202E⟩", "x" * 300]]
    assert data["charts"]["reward"]["columns"] == [("reward", "reward")]


def test_curves_are_crowded_where_they_lie_within_a_twentieth_of_what_they_span(make_run, disk):
    def crowded_with(name, better):
        path = make_run(name, evaluations={0: disk.counts(*[4] * 4, n=256), 9: disk.counts(*[better] * 4, n=256)})
        return crowded(build_report([str(path)], resamples=50).sections[0])

    # of 98% that lie between 1.6% at one try and 100% at 256, one rollout more is 0.4 points at one try and 9 at 64
    assert crowded_with("near", 5) and not crowded_with("far", 64)
    lone = build_report([str(make_run("lone", evaluations={9: disk.counts(4, 8)}))], resamples=50)
    assert not crowded(lone.sections[0])


def test_kinds_of_events_have_markers_of_their_own(make_run):
    kinds = ("interrupted", "resumed", "guard_entropy", "refused", "resumed", "pace")
    path = make_run(
        "a", records=[{"step": 1, "reward": 1.0}], events=[{"kind": k, "step": 1, "message": k} for k in kinds]
    )
    assert event_symbols(read_runs([str(path)])) == {
        "interrupted": "triangle-down",
        "resumed": "circle",
        "guard_entropy": "diamond",
        "refused": "x",
        "pace": "square",
    }
    many = make_run("b", records=[{"step": 1, "reward": 1.0}], events=[{"kind": f"k{i}", "step": 1} for i in range(20)])
    assert len(event_symbols(read_runs([str(many)]))) == 5
