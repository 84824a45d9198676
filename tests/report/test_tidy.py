import csv

from counterpoise.report import series
from counterpoise.report.build import build_report
from counterpoise.report.tidy import write_csv


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_one_observation_a_line(make_run, disk, tmp_path):
    path = make_run(
        "a",
        records=[{"step": 1, "reward": 0.5, "x": None}, {"step": 2, "reward": None, "x": 2.0}],
        events=[{"kind": "said", "step": 1, "message": 'with, a comma and "quotes"\nand a line'}],
        evaluations={0: disk.counts(4, 8), 2: disk.counts(8, 12)},
    )
    written = write_csv(build_report([str(path)], resamples=50), tmp_path / "out")
    assert [p.name for p in written] == [
        "passk.csv",
        "differences.csv",
        "crossings.csv",
        "problems.csv",
        "metrics.csv",
        "events.csv",
    ]
    tables = {p.stem: rows_of(p) for p in written}
    assert [(r["curve"], r["k"], r["pass_at_k"]) for r in tables["passk"]][:1] == [("base", "1", "0.375")]
    first = tables["differences"][0]
    assert (first["curve"], first["against"], first["difference"], first["paired"]) == (
        "a",
        "base",
        "0.25",
        "true",
    )
    assert [(r["step"], r["metric"], r["value"]) for r in tables["metrics"]] == [
        ("1", "reward", "0.5"),
        ("2", "x", "2"),
    ]
    assert tables["events"][0]["message"] == 'with, a comma and "quotes"\nand a line'
    assert [(r["curve"], r["problem_id"], r["c"]) for r in tables["problems"]][2] == ("a", "p0", "8")


def test_what_has_no_line_is_left_out(make_run, tmp_path):
    assert write_csv(build_report([str(make_run("a"))]), tmp_path / "out") == []


def test_a_text_that_would_be_a_formula_is_one_no_longer_and_numbers_keep_their_sign(make_run, disk, tmp_path):
    messages = ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "a=b", ""]
    path = make_run(
        "=cmd",
        records=[{"step": 1, "reward": -0.5}],
        events=[{"kind": "said", "step": 1, "message": message} for message in messages],
        evaluations={0: disk.counts(4, 8), 2: disk.counts(2, 4)},
    )
    write_csv(build_report([str(path)], resamples=50), tmp_path / "out")
    [row] = rows_of(tmp_path / "out" / "metrics.csv")
    assert (row["run"], row["value"]) == ("'=cmd", "-0.5")
    shown = [row["message"] for row in rows_of(tmp_path / "out" / "events.csv")]
    assert shown == ["'=1+2", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "a=b", ""]
    differences = rows_of(tmp_path / "out" / "differences.csv")
    assert differences[0]["curve"] == "'=cmd" and differences[0]["difference"].startswith("-0.")


def test_a_long_run_is_written_step_by_step(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr(series, "DRAWN", 2)
    path = make_run("long", records=[{"step": s, "time": 1.0, "reward": s / 4, "x": None} for s in range(1, 6)])
    write_csv(build_report([str(path)]), tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "metrics.csv")
    assert [(row["step"], row["metric"], row["value"]) for row in rows] == [
        (str(s), "reward", format(s / 4, "g"))
        for s in range(1, 6)  # every step, whatever the page draws
    ]
