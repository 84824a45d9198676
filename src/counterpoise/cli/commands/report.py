"""`counterpoise report RUN …`: one page from runs, and the same figures as PNG, CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import console

__all__ = ["report"]


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN …",
            help="Run directories (RUN@STEP chooses an evaluation), evaluation directories, {id, n, c} files, or logs of TRL or verl.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("report.html"),
    png: Annotated[Path | None, typer.Option("--png", metavar="DIR", help="Also write pictures there.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="DIR", help="Also write tidy tables there.")] = None,
    latex: Annotated[
        Path | None, typer.Option("--latex", metavar="FILE|DIR", help="Also write the table of pass@k for a paper.")
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(metavar="MODEL[:BENCHMARK]", help="Show the paper's curves from the start, e.g. qwen2.5-math-7b."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="Curve that the others are compared with; the base otherwise.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading; the runs' names otherwise.")] = None,
    confidence: Annotated[float, typer.Option(help="Coverage of intervals and bands.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """One HTML page from runs that opens without a network: pass@k with bands, differences, training, rollouts, configuration.

    Runs are read as they are, also while they go on, without an evaluation, or after a kill; what cannot be read is named on the page.
    Give the same command again to bring the page up to date.

    counterpoise report runs/psr runs/nsr runs/weighted_reinforce -o report.html
    counterpoise report runs/nsr@100 runs/nsr@200 --against nsr@100 --paper qwen2.5-math-7b:AIME2025
    counterpoise report runs/psr runs/nsr --png figures --csv tables --latex table1.tex
    """
    from counterpoise.files import atomic_write_text
    from counterpoise.report.build import build_report
    from counterpoise.report.latex import write_latex
    from counterpoise.report.page import render_page
    from counterpoise.report.png import write_png
    from counterpoise.report.tidy import write_csv

    made = build_report(runs, title=title, against=against, confidence=confidence, seed=seed)
    page = render_page(made, paper=paper)
    atomic_write_text(out, page)
    written = write_png(made, png, paper=paper) if png is not None else []
    written += write_csv(made, csv) if csv is not None else []
    written += [write_latex(made, latex)] if latex is not None else []
    for run in made.runs:
        for note in run.notes:
            console.note(f"{run.name}: {note}")
    for note in made.notes:
        console.note(note)
    console.stdout.print(f"{out} ({len(page.encode()) / 1e6:.1f} MB)", soft_wrap=True)
    for path in written:
        console.stdout.print(str(path), soft_wrap=True)
