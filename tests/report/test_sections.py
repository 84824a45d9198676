import pytest

from counterpoise.errors import UsageError
from counterpoise.evaluation.statistics.cautions import few_problems
from counterpoise.report.build import build_report
from counterpoise.report.records import OWN_BASE


def build(*paths, **given):
    return build_report([str(path) for path in paths], resamples=50, **given)


def test_runs_share_a_base_that_was_drawn_alike(make_run, disk):
    base, better = disk.counts(4, 8, 0), disk.counts(8, 12, 1)
    report = build(make_run("a", evaluations={0: base, 9: better}), make_run("b", evaluations={0: base, 9: better}))
    assert [(e.name, e.base, e.style) for e in report.entries] == [("base", True, 0), ("a", False, 1), ("b", False, 2)]
    [section] = report.sections
    # pass@1 of the base: (4 + 8 + 0) / (3 * 16)
    assert section.curves[0][0].estimate == pytest.approx(0.25)
    # of the runs (8 + 12 + 1) / 48, so the difference is 9/48
    assert [d.comparison.points[0].estimate for d in section.against[0].differences] == pytest.approx([9 / 48] * 2)


def test_a_sibling_without_a_base_of_its_own_is_compared_with_the_shared_one(make_run, disk):
    report = build(
        make_run("a", evaluations={0: disk.counts(1, 2), 9: disk.counts(3, 4)}),
        make_run("b", evaluations={9: disk.counts(5, 6)}),
    )
    assert [d.comparison.after for d in report.sections[0].against[0].differences] == ["a", "b"]


def test_bases_that_differ_are_told_apart(make_run, disk):
    report = build(
        make_run("a", evaluations={0: disk.counts(1, 2), 9: disk.counts(3, 4)}),
        make_run("b", evaluations={0: disk.counts(2, 2), 9: disk.counts(3, 4)}),
    )
    assert [e.name for e in report.entries] == ["base of a", "base of b", "a", "b"]


def test_the_base_of_one_run_is_not_called_the_base_of_another_task(make_run, disk):
    report = build(
        make_run("a", evaluations={0: disk.counts(1, 2), 9: disk.counts(3, 4)}),
        make_run("b", evaluations={9: disk.counts(5, 6)}, task="other:test"),
    )
    assert [e.name for e in report.entries] == ["base of a", "a", "b"]


def test_every_entry_can_be_the_reference(make_run, disk):
    report = build(
        make_run("a", evaluations={0: disk.counts(1, 2), 9: disk.counts(3, 4)}),
        make_run("b", evaluations={9: disk.counts(5, 6)}),
        against="b",
    )
    assert [against.reference for against in report.sections[0].against] == ["b", "base", "a"]
    first, last = report.sections[0].against[0], report.sections[0].against[2]
    b_to_a = next(d for d in last.differences if d.comparison.after == "b").comparison.points[0]
    a_to_b = next(d for d in first.differences if d.comparison.after == "a").comparison.points[0]
    assert a_to_b.estimate == pytest.approx(-b_to_a.estimate)
    with pytest.raises(UsageError, match=r"--against c: no such curve.*there are: base, a, b"):
        build(*[run.path for run in report.runs], against="c")


def test_other_problems_are_compared_unpaired_and_the_reason_is_said(make_run, disk):
    report = build(
        make_run("a", evaluations={9: disk.counts(3, 4, 5)}),
        make_run("b", evaluations={9: disk.counts(5, 6, 7, first=1)}),
    )
    [difference] = report.sections[0].against[0].differences
    assert difference.comparison.crossing is None
    # p1 and p2 are in both, p0 only in a, p3 only in b
    assert "2 in common, 1 only in a, 1 only in b" in difference.refused
    assert difference.comparison.points[0].estimate == pytest.approx(18 / 48 - 12 / 48)


def test_a_section_for_each_task_type(make_run, disk):
    rows = disk.counts(4, 4) + disk.counts(8, first=2, task_type="algebra")
    report = build(make_run("a", evaluations={9: rows}))
    assert [s.title for s in report.sections] == ["all problems", "algebra", "toy"]
    assert [s.curves[0][0].estimate for s in report.sections] == pytest.approx([16 / 48, 0.5, 0.25])
    assert report.sections[0].against == ()


def test_settings_that_differ_are_noted(make_run, disk):
    report = build(
        make_run("a", evaluations={9: disk.counts(3, 4)}),
        make_run("b", evaluations={9: disk.counts(3, 4)}, template="chat"),
    )
    assert report.notes == (
        "a and b were measured differently, so part of their difference may be that: template plain and chat",
        f"a, b: {few_problems(2)}",
    )


def test_no_evaluation_at_all(make_run):
    report = build(make_run("a"))
    assert report.entries == report.sections == ()


def test_several_bases_are_compared_each_with_its_own_run(make_run, disk):
    runs = [
        make_run("a", evaluations={0: disk.counts(4, 4, 4), 3: disk.counts(8, 8, 8)}),
        make_run("b", evaluations={0: disk.counts(2, 2, 2), 3: disk.counts(4, 4, 4)}),
        make_run("c", evaluations={3: disk.counts(1, 1, 1)}),
    ]
    section = build_report([str(run) for run in runs], resamples=50).sections[0]
    assert [against.reference for against in section.against][:2] == [OWN_BASE, "base of a"]
    first = [
        (c.comparison.after, c.comparison.base, c.comparison.points[0].estimate) for c in section.against[0].differences
    ]
    assert first == [("a", "base of a", 0.25), ("b", "base of b", 0.125)]
    # nobody knows which base c comes from
    assert section.change_of("c") is None and section.change_of("base of a") is None


def test_of_many_runs_with_another_reference_the_own_base_is_still_known(make_run, disk):
    runs = [make_run(f"r{i}", evaluations={0: disk.counts(4, 4), 3: disk.counts(i, 8)}) for i in range(7)]
    section = build_report([str(run) for run in runs], against="r1", resamples=50).sections[0]
    assert [against.reference for against in section.against] == ["r1", OWN_BASE]
    assert section.change_of("r1").comparison.base == "base" and section.change_of("r2").comparison.base == "r1"


def test_the_telling_number_of_tries_is_where_runs_are_furthest_from_their_bases(make_run, disk):
    # all solve everything within 16 tries; at two tries 1 - C(8,2)/C(16,2) and 1 - C(12,2)/C(16,2) are 31.7 points apart
    path = make_run("a", evaluations={0: disk.counts(4, 4), 3: disk.counts(8, 8)})
    section = build_report([str(path)], resamples=50).sections[0]
    assert [section.ks[i] for i in section.telling()] == [1, 2]
    lone = build_report([str(make_run("b", evaluations={3: disk.counts(8, 8)}))], resamples=50).sections[0]
    assert [lone.ks[i] for i in lone.telling()] == [1, 16]
