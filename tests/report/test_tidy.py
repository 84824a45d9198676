import csv

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
