import re
import struct
import sys
from importlib import resources

import pytest

from counterpoise.errors import MissingExtraError
from counterpoise.report.build import build_report
from counterpoise.report.figures import COLOURS
from counterpoise.report.png import write_png


def test_pictures(make_run, disk, tmp_path):
    runs = [
        make_run(name, records=disk.metrics(40), evaluations={0: disk.counts(1, 2), 40: disk.counts(3, shift)})
        for name, shift in (("a$b", 4), ("c_d", 9))
    ]
    written = write_png(build_report([str(run) for run in runs], resamples=50), tmp_path / "out", paper="qwen3-4b")
    assert [path.name for path in written] == ["passk.png", "differences.png", "training.png", "overview.png"]
    for path in written:
        head = path.read_bytes()[:24]
        assert head.startswith(b"\x89PNG") and min(struct.unpack(">II", head[16:])) > 400


def test_a_run_that_has_nothing_gives_no_picture(make_run, tmp_path):
    assert write_png(build_report([str(make_run("a"))]), tmp_path / "out") == []


def test_without_matplotlib(make_run, disk, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    report = build_report([str(make_run("a", evaluations={3: disk.counts(1, 2)}))], resamples=50)
    with pytest.raises(
        MissingExtraError, match=r"writing pictures needs the package 'matplotlib'.*pip install 'matplotlib>="
    ):
        write_png(report, tmp_path / "out")


def test_the_colours_are_those_of_the_page():
    theme = resources.files("counterpoise.report").joinpath("templates/theme.css").read_text(encoding="utf-8")
    daylight = theme[: theme.index("@media")]
    assert tuple(re.findall(r"--(?:base|s\d): (#\w+)", daylight)) == COLOURS
