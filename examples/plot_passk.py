"""Draw the pass@k curves of runs with their bands, on a log axis: `python examples/plot_passk.py runs/a runs/b -o passk.png`.

The base is the evaluation before training of the first run. Needs matplotlib (`pip install 'counterpoise[plot]'`).
"""

import argparse
from pathlib import Path

from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.intervals import paired_differences
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.runs.directory import RunDirectory
from counterpoise.streams import numpy_generator


def curves(paths):
    runs = [RunDirectory.read(path) for path in paths]
    yield "base", EvaluationResult.load(runs[0].evaluation(0))
    for run in runs:
        yield run.config.credit.rule, EvaluationResult.load(run.evaluation(run.config.learner.steps))


def differences(base, result, ks):
    (base_ids, base_PK), (ids, values_PK) = (
        ([p.problem_id for p in r.counts], pass_at_k([p.n for p in r.counts], [p.c for p in r.counts], ks))
        for r in (base, result)
    )
    generator = numpy_generator(base.manifest.seed, "plot", "paired")
    return paired_differences(
        base_ids, base_PK, ids, values_PK, generator=generator, confidence=base.confidence, resamples=10_000
    )


def band(axes, ks, rows, color, label, style):
    middle, low, high = ([100 * getattr(row, name) for row in rows] for name in ("estimate", "low", "high"))
    axes.plot(ks, middle, style, color=color, marker="o", markersize=3, label=label)
    axes.fill_between(ks, low, high, color=color, alpha=0.12, linewidth=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("passk.png"))
    parser.add_argument("--title", default="")
    arguments = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    results = list(curves(arguments.runs))
    base = results[0][1]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), dpi=130, layout="constrained")
    for index, (label, result) in enumerate(results):
        color = "black" if index == 0 else f"C{index - 1}"
        ks = [row.k for row in result.curve]
        band(left, ks, result.curve, color, label, "--" if index == 0 else "-")
        if index:
            band(right, ks, differences(base, result, ks), color, label, "-")
    for axes, title, unit in (
        (left, "pass@k, interval over problems", "%"),
        (right, "difference from the base, paired interval", "points"),
    ):
        axes.set_xscale("log", base=2)
        axes.set_xticks(ks, [str(k) for k in ks])
        axes.set(xlabel="k", ylabel=unit, title=title)
        axes.grid(alpha=0.25)
    right.axhline(0, color="black", linestyle="--", linewidth=1)
    left.legend(frameon=False)
    figure.suptitle(arguments.title)
    figure.savefig(arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
