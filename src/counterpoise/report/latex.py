"""The table of pass@k for a paper: booktabs, the rows and columns of Table 1 in arXiv 2506.01347, with differences and intervals."""

from __future__ import annotations

import math
from pathlib import Path

from counterpoise.errors import UsageError
from counterpoise.evaluation.comparison import Comparison
from counterpoise.files import atomic_write_text
from counterpoise.report.records import Breakdown, Report
from counterpoise.report.words import percent, points

__all__ = ["latex_table", "write_latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def write_latex(report: Report, path: Path) -> Path:
    """Write the table to a .tex file, or as passk.tex into a directory; the file.

    Raises:
        UsageError: no run has an evaluation.
        StoreError: the file cannot be written.
    """
    file = path if path.suffix == ".tex" else path / "passk.tex"
    atomic_write_text(file, latex_table(report))
    return file


def latex_table(report: Report) -> str:
    """A `table` environment that needs the package booktabs; a block of rows for each task type where there are several.

    Bold is the best of a column as printed. Under each value stands the difference from the reference in points with its interval;
    an asterisk says that the band over all k leaves out zero.

    Raises:
        UsageError: no run has an evaluation.
    """
    if not report.sections:
        raise UsageError("there is no pass@k to make a LaTeX table of: no run has a finished evaluation")
    ks = report.sections[0].ks
    columns = len(ks) + 1
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\caption{" + _caption(report) + "}",
        r"\begin{tabular}{l" + "r" * len(ks) + "}",
        r"\toprule",
        rf"pass@$k$, \% & {' & '.join(f'$k={k}$' for k in ks)} \\",
    ]
    for section in report.sections:
        lines.append(r"\midrule")
        if len(report.sections) > 1:
            lines += [rf"\multicolumn{{{columns}}}{{c}}{{\textit{{{_escaped(section.title)}}}}} \\", r"\midrule"]
        lines += _rows(section, ks)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _rows(section: Breakdown, ks: tuple[int, ...]) -> list[str]:
    compared = {d.comparison.after: d.comparison for a in section.against[:1] for d in a.differences}
    values = {
        entry.name: {k: percent(p.estimate) for k, p in zip(section.ks, curve, strict=True)}
        for entry, curve in zip(section.entries, section.curves, strict=True)
    }
    best = {k: max((float(row[k]) for row in values.values() if row.get(k, "–") != "–"), default=math.nan) for k in ks}
    lines = []
    for name, row in values.items():
        shown = [row.get(k, "–") for k in ks]
        cells = [
            rf"\textbf{{{v}}}" if v != "–" and float(v) == best[k] and len(values) > 1 else v.replace("–", "--")
            for k, v in zip(ks, shown, strict=True)
        ]
        lines.append(rf"{_escaped(name)} & {' & '.join(cells)} \\")
        if name in compared:
            lines.append(rf" & {' & '.join(_difference(compared[name], k) for k in ks)} \\")
    return lines


def _difference(comparison: Comparison, k: int) -> str:
    point = comparison.points[comparison.ks.index(k)] if k in comparison.ks else None
    if point is None or math.isnan(point.estimate):
        return ""
    mark = "^{*}" if point.band_low > 0 or point.band_high < 0 else ""
    interval = "" if math.isnan(point.low) else f"\\,[{points(point.low)}, {points(point.high)}]"
    return rf"{{\tiny ${points(point.estimate)}{mark}{interval}$}}"


def _caption(report: Report) -> str:
    section = report.sections[0]
    problems = sorted({len(entry.contender.counts) for entry in section.entries})
    said = f"pass@$k$ of {_escaped(report.title)}, {' to '.join(map(str, problems[:1] + problems[1:][-1:]))} problems."
    if section.against:
        unpaired = [d.comparison.after for d in section.against[0].differences if d.refused is not None]
        said += (
            f" Small: difference from {_escaped(section.against[0].reference)} in points with its {100 * report.confidence:g}\\% "
            "bootstrap interval over problems; an asterisk marks differences outside the simultaneous band."
        )
        if unpaired:
            said += f" Unpaired, on other problems: {', '.join(map(_escaped, unpaired))}."
    return said


def _escaped(text: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return "".join(_SPECIAL.get(character, character) for character in printable)
