import pytest

from counterpoise.errors import UsageError
from counterpoise.report.build import build_report
from counterpoise.report.latex import latex_table, write_latex


def build(*paths):
    return build_report([str(path) for path in paths], resamples=50)


def test_the_rows_of_table_1(make_run, disk):
    base, better = disk.counts(*[4] * 30, n=4), disk.counts(*[2] * 30, n=4)
    text = latex_table(build(make_run("w_reinforce", evaluations={0: base, 3: better})))
    # pass@1 2/4 and 4/4; pass@2 1 - C(2,2)/C(4,2) = 5/6, pass@4 is 1 for both
    assert r"pass@$k$, \% & $k=1$ & $k=2$ & $k=4$ \\" in text
    assert r"base & \textbf{100.0} & \textbf{100.0} & \textbf{100.0} \\" in text
    assert r"w\_reinforce & 50.0 & 83.3 & \textbf{100.0} \\" in text
    assert r" & {\tiny $-50.0^{*}\,[-50.0, -50.0]$} & {\tiny $-16.7^{*}" in text
    assert text.count("{") == text.count("}") and text.startswith(r"% needs \usepackage{booktabs}")


def test_task_types_are_blocks_and_names_are_escaped(make_run, disk):
    rows = disk.counts(1, 2, task_type="a&b") + disk.counts(3, first=2, task_type="50%")
    text = latex_table(build(make_run("x", evaluations={3: rows})))
    assert r"\multicolumn{6}{c}{\textit{all problems}} \\" in text
    assert r"\textit{a\&b}" in text and r"\textit{50\%}" in text


def test_unpaired_runs_are_named_in_the_caption(make_run, disk):
    one = make_run("one", evaluations={3: disk.counts(1, 2)})
    two = make_run("two", evaluations={3: disk.counts(1, 2, first=5)})
    assert "Unpaired, on other problems: two." in latex_table(build(one, two))


def test_a_file_or_a_directory(make_run, disk, tmp_path):
    report = build(make_run("x", evaluations={3: disk.counts(1, 2)}))
    assert write_latex(report, tmp_path / "table1.tex") == tmp_path / "table1.tex"
    assert write_latex(report, tmp_path / "tables") == tmp_path / "tables" / "passk.tex"
    with pytest.raises(UsageError, match="no run has a finished evaluation"):
        write_latex(build(make_run("y")), tmp_path / "t.tex")
