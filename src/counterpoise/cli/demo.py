"""`counterpoise demo`: the main job in a few minutes on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import completion, console

__all__ = ["demo"]

DEMO_FILE = Path(__file__).parent.parent / "recipes" / "demo.toml"


def demo(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Settings that replace the demo's.", autocompletion=completion.overrides
        ),
    ] = None,
    rule: Annotated[
        str, typer.Option(help="Credit rule: psr, nsr, weighted_reinforce, reinforce, grpo, rloo, …")
    ] = "weighted_reinforce",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 0,
    directory: Annotated[Path, typer.Option(help="Parent directory of the run.")] = Path("runs"),
) -> None:
    """Train the lab's tiny policy on countdown with Weighted-REINFORCE and compare pass@k before and after.

    counterpoise demo
    counterpoise demo --rule nsr
    counterpoise demo --rule psr learner.steps=200
    """
    from counterpoise.errors import UsageError
    from counterpoise.runfile import load_config, quoted

    own_flags = {"credit.rule": "--rule", "run.seed": "--seed", "run.directory": "--directory"}
    for override in overrides or []:
        flag = own_flags.get(override.partition("=")[0].strip())
        if flag is not None:
            raise UsageError(f"{override}: the demo has a flag for it, {flag}")
    name = _free_name(directory, f"demo-{rule}-seed{seed}")
    texts = {"credit.rule": rule, "run.directory": directory, "run.name": name}
    own = [f"run.seed={seed}", *(quoted(key, text) for key, text in texts.items())]
    config = load_config(DEMO_FILE, [*own, *(overrides or [])])

    from counterpoise.build.checks import check_run

    problems = check_run(config)
    from counterpoise.cli.live import LiveObserver
    from counterpoise.cli.train import show_result
    from counterpoise.engines.local import train
    from counterpoise.runs.directory import RunDirectory

    run = RunDirectory.create(config)
    with LiveObserver() as observer:
        result = train(run, observer=observer, problems=problems)
    show_result(result)
    console.stdout.print(
        "\nnext:\n"
        f"  counterpoise demo --rule nsr{'' if seed == 0 else f' --seed {seed}'}        negative reinforcement alone\n"
        "  counterpoise demo --rule psr        positive reinforcement alone: watch pass@k at large k\n"
        f"  counterpoise train {run.path} learner.steps={2 * config.learner.steps}    train this policy further\n"
        f"  counterpoise eval {run.path} --n 512        measure it more precisely\n"
        "  counterpoise tasks list        what else there is to train on",
        soft_wrap=True,
    )


def _free_name(directory: Path, name: str) -> str:
    """`name`, or `name-2`, `name-3`, … where earlier demos are in the way."""
    count, free = 1, name
    while (directory / free).exists():
        count += 1
        free = f"{name}-{count}"
    return free
