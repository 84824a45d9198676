"""The page and the table of a grid: figures as they were computed, names as they were written, no script."""

import csv
import math
import re
from xml.etree import ElementTree

import pytest

from counterpoise.errors import DataError
from counterpoise.evaluation.statistics.arms import Arm
from counterpoise.evaluation.statistics.cells import measured_cell
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.differences import MeasuredStudy, arm_differences
from counterpoise.report.study_page import study_page
from counterpoise.report.study_png import write_study_png
from counterpoise.report.study_table import write_study_csv

HOSTILE = "<script>alert(1)</script>"


def counts(*right, n=4):
    return [ProblemCounts(problem_id=f"p{i}", n=n, c=c) for i, c in enumerate(right)]


def cell(arm, right, *, bed="lab", size=10, seed=0, step=5, intensity=8.0, colder=()):
    trained = (
        {} if intensity is None else {"rollouts_per_problem": intensity, "epochs": 2.0, "updates": 20.0, "tokens": 64.0}
    )
    after = {seed or 0: counts(*right)}
    made = Arm(name=arm, after=after, before=counts(1, 2), colder=[counts(*one) for one in colder])
    return measured_cell(made, seed=seed, bed=bed, axes={"tasks.max_train": size}, step=step, trained=trained)


def measured(cells, confidence=0.95):
    found = tuple(arm_differences(cells, confidence=confidence))
    return MeasuredStudy(cells=tuple(cells), differences=found, confidence=confidence)


@pytest.fixture
def cells():
    return [
        cell("base", (1, 2), seed=None, step=0, intensity=0.0),
        cell("nsr", (2, 2), step=5, intensity=8.0),
        cell("nsr", (3, 2), step=10, intensity=16.0, colder=[(4, 4)]),
        cell("nsr", (2, 3), step=10, seed=1, intensity=16.0),
        cell(HOSTILE, (0, 0), step=10, intensity=16.0),
        cell("nsr", (4, 4), bed="=paths", size=200, step=10, intensity=2.0),
    ]


def test_a_line_for_each_run_step_and_k(cells, tmp_path):
    # k = 1, 2, 4 and the area: of each run, and of nsr over two seeds and the other arm less nsr after step 10
    assert write_study_csv(measured(cells), tmp_path / "all.csv") == (6 + 2) * 4
    with open(tmp_path / "all.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0])[:5] == ["bed", "tasks.max_train", "arm", "seed", "step"]
    first = next(row for row in rows if row["arm"] == "nsr" and row["step"] == "10" and row["k"] == "1")
    assert (first["seed"], first["value"], first["less_base"]) == ("0", "0.625", "0.25")
    assert [first[name] for name in ("rollouts_per_problem", "epochs", "updates", "tokens")] == ["16", "2", "20", "64"]
    assert first["less_sharpened"] == "0"
    base = rows[0]
    assert (base["arm"], base["seed"], base["less_base"], base["quantity"]) == ("base", "", "", "pass_at_k")
    assert [row["quantity"] for row in rows[:4]] == ["pass_at_k"] * 3 + ["area"]
    assert rows[3]["k"] == ""
    assert {row["bed"] for row in rows} == {"lab", "'=paths"}  # no formula of a spreadsheet
    over, less = rows[24], rows[28]
    assert [over[name] for name in ("arm", "seed", "quantity", "k", "against", "seeds", "problems")] == [
        *("nsr", "", "pass_at_k_less", "1", "base", "0 1", "2")
    ]
    assert [less[name] for name in ("arm", "seed", "value", "against", "seeds", "confidence")] == [
        *(HOSTILE, "", "-0.625", "nsr", "0", "0.95")
    ]
    assert (rows[-1]["quantity"], rows[-1]["k"], rows[-1]["less_base"]) == ("area_less", "", "")


def test_the_page_has_a_map_and_a_frontier_for_each_bed_and_no_script(cells):
    page = study_page(measured(cells, 0.9), title="grid")
    assert page.count("<figcaption>Map</figcaption>") == page.count("<figcaption>Frontier</figcaption>") == 2
    assert "<script" not in page and "default-src 'none'" in page and "&lt;script&gt;" in page
    assert "90% interval over\nseeds and problems" in page
    pictures = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg class=\"picture\".*?</svg>", page, re.DOTALL)]
    marks = [[one.text for one in svg.findall("text") if one.get("class") == "mark"] for svg in pictures]
    assert marks[:2] == [["●", "■"]] * 2  # as the legend has them, after the last step; seeds of one step are one point
    assert [len(svg.findall("circle")) for svg in pictures] == [1, 2, 0, 0]  # on the way, and the base
    assert [len(svg.findall("polyline")) for svg in pictures] == [2, 3, 1, 1]
    large = float(next(one for one in pictures[0].findall("text") if one.text == "●").get("x"))
    small = float(pictures[0].find("circle").get("cx"))
    assert large > small  # more rollouts of a problem lie to the right
    for svg in pictures:
        for x, y in (
            *((circle.get("cx"), circle.get("cy")) for circle in svg.findall("circle")),
            *((one.get("x"), one.get("y")) for one in svg.findall("text") if one.get("class") == "mark"),
        ):
            assert 0 <= float(x) <= 680 and 0 <= float(y) <= 380
    assert page.count("Where each arm stops paying") == 2
    said = re.search(
        r"&lt;script&gt;[^<]*</td><td>tasks.max_train=10</td><td>([^<]*)</td><td>–</td><td>([^<]*)</td>", page
    )
    assert said[1].startswith("undecided at step 10 (16 a problem): -") and said[2].startswith(
        "below from step 10 (16 a"
    )
    # both seeds of nsr: pass@1 5/8 each
    assert "<td>2</td><td>16</td><td>62.5</td>" in page


def test_a_study_without_beds_or_intensities_has_a_page_too():
    page = study_page(measured([cell("nsr", (2, 2), bed="", intensity=None)]), title="rules")
    assert "<h2>rules</h2>" in page and "there is no map" in page and "<td>–</td>" in page
    assert "problems alone (one seed" in page
    assert not math.isnan(float(re.search(r"class=\"mark\" x=\"([^\"]+)\"", page).group(1)))


def test_the_page_says_what_is_left_beyond_sharpening_or_how_to_measure_it(cells):
    page = study_page(measured(cells), title="grid")
    # one of the two seeds has no colder base, so the mean over both has none; the other bed was not measured at all
    assert page.count("--against sharpened --html PAGE draws the base") == 2 and "Map, less sharpened" not in page
    reached = [cell("base at temperature 0.5", (4, 4), seed=None, step=0), cell("nsr", (3, 2), colder=[(4, 4)])]
    page = study_page(measured(reached), title="grid")
    assert page.count("<figcaption>Map, less sharpened</figcaption>") == 1 and "--html PAGE" not in page
    # nsr has 5/8 at k=1 and 11/12, 1 at 2 and 4; the base at half way 11/16, ... : as beyond_sharpening has it
    (difference,) = (one for one in arm_differences(reached) if one.against == "sharpened")
    assert f"<td>{100 * difference.points[-1].estimate:+.1f} [" in page
    beyond = [cell("base at temperature 0.5", (1, 1), seed=None, step=0), cell("nsr", (3, 2), colder=[(1, 1)])]
    page = study_page(measured(beyond), title="grid")
    assert "<td>undefined</td></tr>" in page and "Map, less sharpened" not in page


def test_the_picture_has_a_map_and_a_frontier_for_each_bed(cells, tmp_path):
    import struct

    def size(path):
        head = path.read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        return struct.unpack(">II", head[16:])

    two = size(write_study_png(measured(cells), tmp_path / "two.png", title="grid"))
    one = size(write_study_png(measured([each for each in cells if each.bed == "lab"]), tmp_path / "one.png", title=""))
    assert two[0] == one[0] and two[1] > 1.7 * one[1]  # a row of two for each bed
    unseen = [cell("base", (1, 2), seed=None, step=0), cell("a$b", (2, 2), intensity=None)]
    frontier = size(write_study_png(measured(unseen), tmp_path / "unseen.png", title=HOSTILE))
    assert frontier[0] < 0.6 * one[0]  # nobody knows how often problems were seen, so there is no map
    with pytest.raises(DataError, match="no arm of the study was measured beside its base yet"):
        write_study_png(measured(cells[:1]), tmp_path / "none.png", title="grid")
