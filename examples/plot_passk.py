"""Draw the pass@k curves of runs with their bands, on a log axis: `python examples/plot_passk.py runs/a runs/b -o passk.png`.

The base is the evaluation before training of the first run. Needs matplotlib (`pip install 'counterpoise[plot]'`).
"""

import argparse
from pathlib import Path

from counterpoise.engines.run_directory import RunDirectory
from counterpoise.evaluation.summary import EvaluationResult


def curves(paths):
    runs = [RunDirectory.read(path) for path in paths]
    yield "base", EvaluationResult.load(runs[0].evaluation(0))
    for run in runs:
        yield run.config.credit.rule, EvaluationResult.load(run.evaluation(run.config.learner.steps))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("passk.png"))
    parser.add_argument("--title", default="")
    arguments = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.5), dpi=150, layout="constrained")
    for index, (label, result) in enumerate(curves(arguments.runs)):
        ks = [row.k for row in result.curve]
        style = {"color": "black", "linestyle": "--"} if index == 0 else {"color": f"C{index - 1}"}
        axes.plot(ks, [100 * row.estimate for row in result.curve], marker="o", markersize=3, label=label, **style)
        low, high = ([100 * getattr(row, end) for row in result.curve] for end in ("low", "high"))
        axes.fill_between(ks, low, high, alpha=0.12, linewidth=0, color=style["color"])
    axes.set_xscale("log", base=2)
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.set(xlabel="k", ylabel="pass@k, %", title=arguments.title)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
