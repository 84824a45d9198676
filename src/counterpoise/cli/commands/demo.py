"""`counterpoise demo`: the main job in a few minutes on a laptop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import completion, console
from counterpoise.garbage import importing_the_engine

if TYPE_CHECKING:
    from counterpoise.config import RunConfig
    from counterpoise.engines.local.loop import TrainResult

__all__ = ["demo"]

DEMO_FILE = Path(__file__).parents[2] / "recipes" / "demo.toml"
REAL_FILE = DEMO_FILE.with_name("demo_real.toml")

_SEVERAL = ("tasks.max_train=200", "evaluation.n=128")
"""Several rules of the lab: few problems, seen 256 times each, where rules differ; and half of the evaluation."""

_SHOWS = (
    "What this shows: where {rules} took pass@k of test problems, and that one base gives both curves. What it does not: which rule is "
    "better. It is one seed{bed}; docs/results.md has more seeds and other beds."
)
_SHOWS_REAL = (
    "What this shows: training lifts a real language model's pass@k from k = 1 to {k} in {steps}, on {problems} it was not trained on. "
    "What it does not: that this is more than one easy task, one seed and few problems; a part of the gain is the form of the answer."
)


def demo(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Settings that replace the demo's.", autocompletion=completion.overrides
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="Credit rule: psr, nsr, weighted_reinforce (default), grpo, …; given twice, two rules side by side."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 0,
    directory: Annotated[Path, typer.Option(help="Parent directory of the run.")] = Path("runs"),
    real: Annotated[
        bool, typer.Option("--real", help="Train SmolLM2-135M on `ranks` (grpo) instead; needs the extra smollm2.")
    ] = False,
) -> None:
    """Train the lab's tiny policy on countdown with Weighted-REINFORCE and compare pass@k before and after.

    counterpoise demo
    counterpoise demo --rule nsr
    counterpoise demo --rule psr learner.steps=200
    counterpoise demo --rule nsr --rule psr
    counterpoise demo --real
    """
    from counterpoise.errors import UsageError

    own_flags = {"credit.rule": "--rule", "run.seed": "--seed", "run.directory": "--directory"}
    for override in overrides or []:
        flag = own_flags.get(override.partition("=")[0].strip())
        if flag is not None:
            raise UsageError(f"{override}: the demo has a flag for it, {flag}")
    rules = list(dict.fromkeys(rule or ["grpo" if real else "weighted_reinforce"]))
    typed = [*(_SEVERAL if len(rules) > 1 and not real else ()), *(overrides or [])]
    configs = [_config(one, seed, directory, real, typed, evaluated=bool(at)) for at, one in enumerate(rules)]

    from counterpoise.build.checks import check_run

    problems = [check_run(config) for config in configs]  # all of them before an hour of the first
    from counterpoise.cli.commands.train import show_result
    from counterpoise.cli.live import LiveObserver

    with importing_the_engine():
        from counterpoise.engines.local import train
    from counterpoise.runs.directory import RunDirectory

    results = []
    for config, own in zip(configs, problems, strict=True):
        with LiveObserver() as observer:
            results.append(train(RunDirectory.create(config), observer=observer, problems=own))
    if len(results) == 1:
        show_result(results[0])
    _curves(rules, results, real)
    _next(rules, results[-1], seed, real)


def _config(rule: str, seed: int, directory: Path, real: bool, typed: Sequence[str], *, evaluated: bool) -> RunConfig:
    """The run of one rule; `evaluated` says that the base has been, by the run of another one."""
    from counterpoise.runfile import load_config, quoted

    name = _free_name(directory, f"demo-{'real-' if real else ''}{rule}-seed{seed}")
    texts = {"credit.rule": rule, "run.directory": directory, "run.name": name}
    own = [f"run.seed={seed}", *(quoted(key, text) for key, text in texts.items())]
    known = ["evaluation.before=false"] if evaluated else []
    return load_config(REAL_FILE if real else DEMO_FILE, [*own, *typed, *known])


def _curves(rules: Sequence[str], results: Sequence[TrainResult], real: bool) -> None:
    """The curves of base and rules, and in a sentence what they say; nothing where they were not measured."""
    from counterpoise.cli.views.curves import drawn_curves, side_by_side
    from counterpoise.text import counted

    base = results[0].base
    after = {rule: result.final for rule, result in zip(rules, results, strict=True) if result.final is not None}
    if base is None or len(after) < len(rules):
        return
    config = results[0].run.config
    if len(rules) > 1:
        console.stdout.print(
            f"\npass@k of {config.model.name} on {config.tasks.name}, {counted(config.learner.steps, 'step')} of each"
        )
        console.stdout.print(side_by_side(base, after))
    console.stdout.print()
    for line in drawn_curves({"base": base.curve, **{rule: result.curve for rule, result in after.items()}}):
        console.stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    said = ""
    if real:
        said = _SHOWS_REAL.format(
            k=base.curve[-1].k,
            steps=counted(config.learner.steps, "step"),
            problems=counted(len(base.counts), "question"),
        )
    elif len(rules) > 1:
        said = _SHOWS.format(
            rules=" and ".join([", ".join(rules[:-1]), rules[-1]]),
            bed=f" of a model of 0.8 million parameters on {config.tasks.max_train} problems"
            if config.tasks.max_train
            else "",
        )
    if said:
        console.stdout.print(f"\n{said}", markup=False, highlight=False, soft_wrap=True)


def _next(rules: Sequence[str], result: TrainResult, seed: int, real: bool) -> None:
    own, flags = result.run.path, f"{'' if seed == 0 else f' --seed {seed}'}"
    steps = 2 * result.run.config.learner.steps
    if real:
        lines = [
            f"  counterpoise demo --real --rule nsr{flags}        negative reinforcement alone, which is slower here",
            "  counterpoise advise smollm2 --task ranks --screen rollout.max_tokens=12        why this task can be trained",
        ]
    else:
        lines = [
            f"  counterpoise demo --rule nsr{flags}        negative reinforcement alone",
            "  counterpoise demo --rule psr        positive reinforcement alone: watch pass@k at large k",
        ]
    lines += [
        f"  counterpoise train {own} learner.steps={steps}    train this policy further",
        f"  counterpoise eval {own} --n 512        measure it more precisely",
        "  counterpoise tasks list        what else there is to train on",
    ]
    console.stdout.print("\n".join(["\nnext:", *lines]), soft_wrap=True)


def _free_name(directory: Path, name: str) -> str:
    """`name`, or `name-2`, `name-3`, … where earlier demos are in the way."""
    count, free = 1, name
    while (directory / free).exists():
        count += 1
        free = f"{name}-{count}"
    return free
