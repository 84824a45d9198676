"""A study's table read again, alone and with others: the same page, and nothing that it does not hold."""

import math
from dataclasses import replace

import pytest

from counterpoise.errors import DataError
from counterpoise.evaluation.statistics.arms import Arm
from counterpoise.evaluation.statistics.cells import measured_cell
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.differences import MeasuredStudy, arm_differences
from counterpoise.evaluation.statistics.turns import turns
from counterpoise.report.study_merge import merged_study
from counterpoise.report.study_notes import OF_SEVERAL_TABLES
from counterpoise.report.study_page import study_page
from counterpoise.report.study_points import study_points
from counterpoise.report.study_read import read_study_csv
from counterpoise.report.study_table import write_study_csv

BASE = (1, 2, 0, 3, 1, 2)
COLDER = (4, 3, 1, 4, 3, 4)


def counts(right):
    return [ProblemCounts(problem_id=f"p{i}", n=4, c=c) for i, c in enumerate(right)]


def cell(arm, right, *, seed=0, step=5, size=True, bed="=lab", before=BASE):
    made = Arm(
        name=arm, after={seed or 0: counts(right)}, before=counts(before), colder=[counts(COLDER * (len(before) // 6))]
    )
    trained = {} if seed is None else {"rollouts_per_problem": 2.0 * step, "success": 0.25}
    return measured_cell(made, seed=seed, bed=bed, axes={"loss.x": size}, step=step, trained=trained)


def bases(**place):
    return [
        cell("base", BASE, seed=None, step=0, **place),
        cell("base at temperature 0.5", COLDER, seed=None, step=0, **place),
    ]


NSR = {0: (2, 2, 1, 4, 1, 3), 1: (2, 3, 0, 4, 2, 3), 2: (3, 2, 1, 3, 1, 4)}
PSR = {0: (2, 1, 0, 4, 1, 2), 1: (1, 3, 0, 4, 0, 3), 2: (2, 2, 0, 4, 1, 2)}


def runs(seeds=(0, 1, 2), arms=("nsr", "psr"), **place):
    given = {"nsr": NSR, "psr": PSR}
    return [cell(arm, given[arm][seed], seed=seed, **place) for seed in seeds for arm in arms]


def measured(*cells):
    return MeasuredStudy(cells=cells, differences=tuple(arm_differences(cells)), confidence=0.95)


@pytest.fixture
def table(tmp_path):
    """`table(name, *cells)`: a table of them, read again."""

    def write(name, *cells):
        write_study_csv(measured(*cells), tmp_path / name)
        return read_study_csv(tmp_path / name)

    return write


def by_key(study):
    return {(one.arm, one.against, one.step, *one.axes.values()): one for one in study.differences}


def test_a_table_read_again_has_the_same_page_and_is_written_the_same(table, tmp_path):
    cells = [*bases(), *runs(step=5), *runs(step=10), *bases(size=False), *runs(seeds=[1], size=False)]
    again = merged_study([table("a.csv", *cells)])
    study = measured(*cells)
    assert study_page(again, title="t") == study_page(study, title="t")
    assert "<td>loss.x=true</td>" in study_page(again, title="t")  # as it stands in the study's own tables
    write_study_csv(again, tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "a.csv").read_text()
    assert again.notes == () and again.confidence == 0.95
    nsr = by_key(again)["psr", "nsr", 5, "true"]
    assert nsr.points[0].by_seed == pytest.approx((-3 / 24, -3 / 24, -3 / 24))  # sums of right ones over 6 x 4


def test_other_places_and_arms_come_from_other_tables(table):
    one, other = table("a.csv", *bases(), *runs(arms=["nsr"])), table("b.csv", *bases(), *runs(arms=["psr"]))
    third = table("c.csv", *bases(bed="other"), *runs(bed="other"))
    study = merged_study([one, other, third])
    assert [(bed, len(axes)) for bed, axes in study.places] == [("=lab", 1), ("other", 1)]
    whole = by_key(measured(*bases(), *runs()))
    found = {(d.bed, d.arm, d.against): d for d in study.differences}
    own = found["=lab", "psr", "base"].points[-1]
    assert (own.low, own.high) == pytest.approx(
        [getattr(whole["psr", "base", 5, True].points[-1], e) for e in ("low", "high")]
    )
    # the arms were in no table together: their difference is known, its interval is not
    between = found["=lab", "psr", "nsr"].points[-1]
    assert between.estimate == pytest.approx(whole["psr", "nsr", 5, True].points[-1].estimate) and math.isnan(
        between.low
    )
    assert not math.isnan(found["other", "psr", "nsr"].points[-1].low)
    assert "–" in study_page(study, title="t")


def test_seeds_of_two_tables_have_a_mean_and_the_longest_interval_that_their_own_allow(table, tmp_path):
    study = merged_study([table("a.csv", *bases(), *runs([0])), table("b.csv", *bases(), *runs([1, 2]))])
    merged, whole = by_key(study), by_key(measured(*bases(), *runs()))
    for against in ("base", "sharpened"):
        own, true = merged["nsr", against, 5, "true"], whole["nsr", against, 5, True]
        assert own.seeds == (0, 1, 2)
        for point, exact in zip(own.points[1:], true.points[1:], strict=True):
            assert point.estimate == pytest.approx(exact.estimate) and point.by_seed == pytest.approx(exact.by_seed)
            assert point.high - point.low > 0.95 * (exact.high - exact.low) > 0
    assert math.isnan(merged["psr", "nsr", 5, "true"].points[0].high)
    assert OF_SEVERAL_TABLES in study.notes
    write_study_csv(study, tmp_path / "merged.csv")
    assert OF_SEVERAL_TABLES in merged_study([read_study_csv(tmp_path / "merged.csv")]).notes
    assert OF_SEVERAL_TABLES not in merged_study([table("whole.csv", *bases(), *runs())]).notes


def test_a_base_drawn_again_under_another_seed_is_the_same_base(table):
    """Each run is compared with the draw of its own table, and arms with each other whatever the draw."""
    many = 500
    before, again = ([min(c + (i % 50 < lucky), 4) for i, c in enumerate(BASE * many)] for lucky in (0, 1))
    right = {arm: {seed: given * many for seed, given in own.items()} for arm, own in (("nsr", NSR), ("psr", PSR))}

    def of(seed, base):
        place = {"before": base}
        return [cell("base", base, seed=None, step=0, **place)] + [
            cell(arm, right[arm][seed], seed=seed, **place) for arm in right
        ]

    study = merged_study([table("a.csv", *of(0, before)), table("b.csv", *of(1, again))])
    assert [one.arm for one in study.cells if one.seed is None] == ["base"]
    found = by_key(study)
    own = [sum(right["nsr"][seed]) - sum(base) for seed, base in ((0, before), (1, again))]
    assert found["nsr", "base", 5, "true"].points[0].by_seed == pytest.approx([n / (4 * 6 * many) for n in own])
    assert found["psr", "nsr", 5, "true"].seeds == (0, 1)
    (note,) = [note for note in study.notes if "drawn again" in note]
    assert note.startswith(
        "bases were drawn again under other seeds, at most 0.8 points of pass@k apart"
    )  # 0.5 at k = 1
    with pytest.raises(DataError, match=r"have another base in =lab, loss\.x=true"):
        merged_study([table("c.csv", *of(0, before)), table("d.csv", *of(1, [min(c + 1, 4) for c in again]))])


def test_a_run_of_two_tables_with_two_draws_of_its_base_is_compared_with_one_of_them_whatever_the_order(table):
    many = 500
    before, again = ([min(c + (i % 50 < lucky), 4) for i, c in enumerate(BASE * many)] for lucky in (0, 1))

    def of(seeds, base):
        place = {"before": base}
        made = [cell("nsr", NSR[seed] * many, seed=seed, **place) for seed in seeds]
        return [cell("base", base, seed=None, step=0, **place), *made]

    tables = [table("a.csv", *of((0, 1), before)), table("b.csv", *of((1, 2), again))]
    one, other = (merged_study(order) for order in (tables, tables[::-1]))
    assert by_key(one)["nsr", "base", 5, "true"] == by_key(other)["nsr", "base", 5, "true"]
    for study in (one, other):
        assert len([note for note in study.notes if "another draw of their base" in note]) == 1
    alone = merged_study([table("c.csv", *of((0, 1), before)), table("d.csv", *of((1, 2), before))])
    assert not [note for note in alone.notes if "another draw" in note]


def test_the_base_that_is_shown_does_not_depend_on_the_order_and_a_merged_table_still_says_that_it_was_drawn_again(
    table, tmp_path
):
    many = 500
    draws = [[min(c + (i % 50 < lucky), 4) for i, c in enumerate(BASE * many)] for lucky in (0, 1, 2)]

    def of(seed, base):
        place = {"before": base}
        return [cell("base", base, seed=None, step=0, **place), cell("nsr", NSR[seed] * many, seed=seed, **place)]

    tables = [table(f"{seed}.csv", *of(seed, base)) for seed, base in enumerate(draws)]
    (middle,) = (one for one in tables[1].cells if one.seed is None)
    for order in (tables, tables[::-1], [tables[1], tables[2], tables[0]]):
        study = merged_study(order)
        (shown,) = (one for one in study.cells if one.seed is None)
        assert [point.estimate for point in shown.points] == [point.estimate for point in middle.points]
        write_study_csv(study, tmp_path / "merged.csv")
        again = merged_study([read_study_csv(tmp_path / "merged.csv")])
        (note,) = [note for note in study.notes if "drawn again" in note]
        assert note in again.notes
    assert not [note for note in merged_study(tables[:1]).notes if "drawn again" in note]


def test_a_run_keeps_what_either_table_holds_of_it(table):
    """Whichever comes first: a difference from the base drawn colder, an interval, and the seeds that have one."""
    cells = [*bases(), *runs([0, 1])]
    plain = [replace(one, less={k: v for k, v in one.less.items() if k == "base"}, by_problem={}) for one in cells]
    whole, bare = table("a.csv", *cells), table("b.csv", *plain)
    for tables in ([whole, bare], [bare, whole]):
        found = by_key(merged_study(tables))
        assert not math.isnan(found["nsr", "sharpened", 5, "true"].points[0].estimate)
        assert not math.isnan(found["psr", "nsr", 5, "true"].points[-1].low)
    later = table("c.csv", *bases(), *(one for one in plain if one.seed == 1), *runs([2]))
    assert by_key(merged_study([whole, later]))["nsr", "sharpened", 5, "true"].seeds == (0, 1, 2)
    none = [replace(one, less={}, by_problem={}) for one in cells if one.seed == 1]
    part = merged_study([table("d.csv", *bases(), *runs([0])), table("e.csv", *bases(), *none)])
    assert by_key(part)["psr", "nsr", 5, "true"].seeds == (0,)


def test_runs_of_another_base_are_refused_where_their_table_has_no_line_for_it(table, tmp_path):
    table("a.csv", *bases(), *runs([0])), table("b.csv", *bases(), *runs([1], before=(3, 4, 2, 4, 3, 4)))
    (tmp_path / "c.csv").write_text(without((tmp_path / "b.csv").read_text(), ",base"))
    own, other = (read_study_csv(tmp_path / name) for name in ("a.csv", "c.csv"))
    for tables in ([own, other], [other, own]):
        with pytest.raises(
            DataError, match=r"c\.csv has runs of another base in =lab, loss\.x=true: .* of so few rollouts"
        ):
            merged_study(tables)


def test_runs_of_two_tables_without_lines_of_a_base_are_held_to_one_another(table, tmp_path):
    table("a.csv", *bases(), *runs([0])), table("b.csv", *bases(), *runs([1], before=(3, 4, 2, 4, 3, 4)))
    for name in ("a", "b"):
        (tmp_path / f"{name}2.csv").write_text(without((tmp_path / f"{name}.csv").read_text(), ",base"))
    with pytest.raises(DataError, match=r"b2\.csv has runs of another base"):
        merged_study([read_study_csv(tmp_path / name) for name in ("a2.csv", "b2.csv")])


def test_a_table_with_fewer_of_the_bases_of_a_place_goes_with_one_that_has_more(table):
    both = table("a.csv", *bases(), cell("base", (1,) * 6, seed=None, step=0), *runs([0]))
    one = table("b.csv", *bases(), *runs([1]))
    for tables in ([both, one], [one, both]):
        assert len([c for c in merged_study(tables).cells if c.arm == "base"]) == 2


def test_tables_whose_problems_were_seen_differently_often_are_asked_about(table):
    own, other = table("a.csv", *bases(), *runs([0], step=5)), table("b.csv", *bases(), *runs([1], step=5))
    cells = tuple(
        replace(c, trained={**c.trained, "rollouts_per_problem": 99.0} if c.seed else {}) for c in other.cells
    )
    notes = merged_study([own, replace(other, cells=cells)]).notes
    assert any("were seen 10 times in " in note and "and 99 times in " in note for note in notes)
    assert not any("trained alike" in note for note in merged_study([own, other]).notes)


def test_of_two_tables_with_other_numbers_the_one_with_more_seeds_is_taken_and_said(table):
    more, less = (
        table("a.csv", *bases(), *runs([0, 1])),
        table("b.csv", *bases(), cell("nsr", (0,) * 6), *runs([0], ["psr"])),
    )
    study = merged_study([less, more])
    assert by_key(study)["nsr", "base", 5, "true"].seeds == (0, 1)
    (note,) = [note for note in study.notes if "b.csv" in note]
    assert note.startswith("nsr in =lab, loss.x=true is taken from ") and "a.csv (2 seeds) and not from" in note
    assert by_key(merged_study([more, more])) == by_key(merged_study([more]))
    same = table("c.csv", *bases(), cell("nsr", (0,) * 6))
    with pytest.raises(
        DataError, match=r"both have 1 seed of nsr in =lab, loss\.x=true, with other numbers; leave one"
    ):
        merged_study([table("d.csv", *bases(), *runs([0])), same])


def test_tables_of_other_studies_are_refused(table, tmp_path):
    own = table("a.csv", *bases(), *runs())
    with pytest.raises(DataError, match=r"have another base in =lab, loss\.x=true: they are not tables of one study"):
        merged_study([own, table("b.csv", cell("base", (1,) * 6, seed=None, step=0), *runs([1], before=(1,) * 6))])
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "c.csv").write_text(text.replace("loss.x", "loss.y", 1))
    with pytest.raises(DataError, match=r"their axes differ \(.*a\.csv: loss\.x; .*c\.csv: loss\.y\)"):
        merged_study([own, read_study_csv(tmp_path / "c.csv")])
    (tmp_path / "d.csv").write_text(text.replace(",0.95\n", ",0.9\n"))
    with pytest.raises(DataError, match=r"intervals at several levels .*a\.csv 0\.95, .*d\.csv 0\.9"):
        merged_study([own, read_study_csv(tmp_path / "d.csv")])


def test_a_table_of_an_earlier_release_has_no_intervals_over_seeds(table, tmp_path):
    table("a.csv", *bases(), *runs([0, 1], ["nsr"]), *runs([0], ["psr"]))
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
    (tmp_path / "old.csv").write_text(
        "".join(",".join(row[:-4]) + "\n" for row in rows if "_less" not in ",".join(row[9:12]))
    )
    study = merged_study([read_study_csv(tmp_path / "old.csv")])
    found = by_key(study)
    several, one = (found[arm, "base", 5, "true"].points[-1] for arm in ("nsr", "psr"))
    assert several.by_seed and math.isnan(several.low) and not math.isnan(one.low)
    assert "old.csv was written by an earlier release" in study.notes[0]
    page = study_page(study, title="t")
    assert "<td>–</td>" in page and "earlier release" in page
    # beside a table of the same place it is known on how many problems
    beside = by_key(merged_study([read_study_csv(tmp_path / "old.csv"), table("b.csv", *bases(), *runs([2], ["nsr"]))]))
    whole = by_key(merged_study([table("c.csv", *bases(), *runs([0, 1], ["nsr"])), read_study_csv(tmp_path / "b.csv")]))
    assert beside["nsr", "base", 5, "true"].seeds == (0, 1, 2)
    assert beside["nsr", "base", 5, "true"].points == whole["nsr", "base", 5, "true"].points


def without(text, *words):
    """The text without the lines that hold all of the words."""
    return "".join(line for line in text.splitlines(keepends=True) if not all(word in line for word in words))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: "", r"has not the columns of a study's table"),
        (lambda t: t.replace("quantity", "quality", 1), r"has not the columns of a study's table"),
        (lambda t: t.replace("loss.x", "bed", 1), r"has not the columns of a study's table"),
        (lambda t: t + "a,b\n", r":\d+: 2 cells under 25 columns"),
        (lambda t: t.replace("area,,", "mean,,", 1), r":5: quantity 'mean' is none of pass_at_k, area"),
        (lambda t: t.replace("pass_at_k,4,", "pass_at_k,1,", 1), r":5: the k before its area are \[1, 2, 1\]"),
        # a line that went missing: another area, and the seed would be left out of its arm's row
        (
            lambda t: without(t, "nsr,0,", "pass_at_k,2,"),
            r":12: the k before its area are \[1, 4\], and not the powers of two",
        ),
        (lambda t: t.replace("pass_at_k,4,", "pass_at_k,-4,", 1), r":4: k is '-4', not a whole number"),
        (lambda t: t.replace("pass_at_k,4,", "pass_at_k,4,nan", 1), r":4: value is 'nan0\.\d+', not a number"),
        (lambda t: t.replace("nsr,0,5", "nsr,0,1e9"), r":10: step is '1e9', not a whole number"),
        (lambda t: t.replace("nsr,0,5,10", "nsr,0,5,inf", 1), r"the lines before it have no area"),
        (lambda t: t.replace("nsr,0,5,10", "nsr,0,5,inf"), r"rollouts_per_problem is 'inf'; numbers are finite"),
        (lambda t: t.replace("nsr,0,", "nsr,,"), r"the arm 'nsr' has no seed"),
        (
            lambda t: t.replace("nsr,0,", '"n\nsr",0,'),
            r":11: arm is 'n\\nsr', which holds a character that cannot be shown",
        ),
        (lambda t: t.replace("nsr,0,", "base,0,"), r":10: 'base' with a seed: what arms are compared with is no run"),
        (lambda t: t.replace("psr,1,", "nsr,1,"), r":22: nsr, seed 1, step 5 stands in line 18 already"),
        (lambda t: t.replace("pass_at_k,1,0.", "pass_at_k,1,7.", 1), r":2: value is 7\.\d+, which is not in \[0, 1\]"),
        (
            lambda t: t.replace("pass_at_k,1,0.", "pass_at_k,1,0.00", 1),
            r":2: value is 0\.00\d+, which is not between its ends",
        ),
        (
            lambda t: t.replace("nsr,0,5,10", "nsr,0,5,-10"),
            r"rollouts_per_problem is -10, which is not in \[0, 1e\+18\]",
        ),
        (
            lambda t: t.replace("nsr,0,5,10", "nsr,0,5,1e99"),
            r"rollouts_per_problem is '1e99'; numbers are finite and below 1e\+18",
        ),
        (lambda t: t.replace(",0.25,", ",1.25,"), r"success is 1\.25, which is not in \[0, 1\]"),
        (lambda t: t.replace(",0.95\n", ",2\n"), r"its intervals are at \[2\.0\]"),
        (lambda t: "\n".join(t.splitlines()[:-1]), r"the lines up to it have no area"),
        (lambda t: "\n".join(t.splitlines()[:9]) + "\n", r"has no line of a run"),
        (lambda t: t + '"open', r"unexpected end of data; a table of a study"),
        (lambda t: t.replace(",0 1,", ",,"), r"a difference without seeds"),
    ],
)
def test_a_damaged_table_is_refused_by_its_line(table, tmp_path, change, says):
    table("a.csv", *bases(), *runs([0, 1]))
    path = tmp_path / "b.csv"
    path.write_text(change((tmp_path / "a.csv").read_text()))
    with pytest.raises(DataError, match=says):
        read_study_csv(path)


def test_no_table_and_no_text_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the table .*none\.csv: No such file"):
        read_study_csv(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"bed,\xff\n")
    with pytest.raises(DataError, match=r"cannot read the table .*bytes\.csv: "):
        read_study_csv(tmp_path / "bytes.csv")


def test_less_the_base_drawn_colder_is_undefined_over_seeds_where_it_is_of_one(table):
    # a mean over the seeds whose pass@1 some temperature has would be a choice by outcome
    def without(one):
        return {name: own for name, own in one.items() if name != "sharpened"}

    cells = [
        replace(one, less=without(one.less), by_problem=without(one.by_problem))
        if (one.arm, one.seed) == ("nsr", 1)
        else one
        for one in [*bases(), *runs([0, 1])]
    ]
    found = by_key(merged_study([table("a.csv", *cells)]))
    assert math.isnan(found["nsr", "sharpened", 5, "true"].points[0].estimate)
    assert found["nsr", "sharpened", 5, "true"].seeds == (0, 1)
    assert not math.isnan(found["psr", "sharpened", 5, "true"].points[0].estimate)


def test_a_row_of_several_seeds_does_not_show_one_of_them_less_the_base_drawn_colder(table):
    plain = [
        replace(one, less={k: v for k, v in one.less.items() if k == "base"}, by_problem={}) for one in runs([1, 2])
    ]
    bare = [one for one in bases() if one.arm == "base"]
    alone = merged_study([table("a.csv", *bases(), *runs([0]))])
    both = merged_study([table("a.csv", *bases(), *runs([0])), table("b.csv", *bare, *plain)])
    shown = {(point.arm, point.step): point for point in study_points(both)}
    assert {point.seeds for point in shown.values()} == {3}
    assert all(math.isnan(point.colder.estimate) for point in shown.values())
    assert not any(math.isnan(point.colder.estimate) for point in study_points(alone))
    assert turns(both.cells, both.differences, against="sharpened") == []
    assert turns(alone.cells, alone.differences, against="sharpened") != []
