"""`counterpoise explain`: what one step of a rule does to one response, token by token."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import completion, console
from counterpoise.cli.subject import subject_of

__all__ = ["explain"]

RULES = ("nsr", "psr", "weighted_reinforce", "grpo")


def explain(
    target: Annotated[
        str,
        typer.Argument(metavar="MODEL|RUN|RUN@STEP", help="Model name, path or hub id; or a run, at its newest step."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Settings of a run file, e.g. loss.denominator=tokens_all.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Task (a model other than lab needs one; a run has its own).")
    ] = None,
    problem: Annotated[
        str | None, typer.Option(metavar="ID", help="Problem of the task, or the beginning of its id.")
    ] = None,
    question: Annotated[str | None, typer.Option(metavar="TEXT", help="A question of your own instead.")] = None,
    gold: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Its answer, where the question does not say it.")
    ] = None,
    response: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A response of your own; drawn otherwise.")
    ] = None,
    pick: Annotated[str, typer.Option(help="Rollout to explain: wrong, right, or its number in the group.")] = "wrong",
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Credit rule, or RULE+WEIGHTS with token weights; repeat it for more. {', '.join(RULES)} otherwise."
        ),
    ] = None,
    rollouts: Annotated[int | None, typer.Option(min=1, help="Rollouts for each problem.")] = None,
    problems: Annotated[int, typer.Option(min=1, help="Problems behind the quadrants.")] = 32,
    learning_rate: Annotated[float | None, typer.Option(help="Of the one optimiser step.")] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens shown in full on the terminal; the page has all.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything as one page.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of tables.")] = False,
) -> None:
    """Put one response under the microscope: the gradient of each rule on every token, where the probability should go, and where it went.

    A group of responses is drawn and judged, each rule gives its credit, and the learner takes one real optimiser step on a copy of the
    model. Nothing is trained or kept. See docs/explain.md for the formulas.

    counterpoise explain lab
    counterpoise explain lab:weak --task countdown --pick right --html explain.html
    counterpoise explain lab --question 3,7,9=30 --response 3+7*9 --rule nsr
    counterpoise explain runs/demo-nsr-seed0@100 --rule nsr --rule psr
    counterpoise explain lab --rule nsr --rule nsr+unlikelihood --rule nsr+entropy_safe
    counterpoise explain smollm2 --task arithmetic --problems 2 --rollouts 4 --rule nsr rollout.max_tokens=64
    """
    given = {
        "tasks.name": task,
        "rollout.group_size": rollouts,
        "learner.learning_rate": learning_rate,
        "run.seed": seed,
        # one rule: settings such as credit.settings.k=2 are its own, and those of a run's own rule are not
        "credit.rule": rule[0].partition("+")[0] if rule and len(rule) == 1 and _with_settings(overrides) else None,
    }
    settings = [*(overrides or []), *(f"{name}={value}" for name, value in given.items() if value is not None)]
    from counterpoise.build.checks import check_evaluation, check_names
    from counterpoise.jobs.explain_request import Request, one_step

    request = Request(
        rules=tuple(rule or RULES),
        problems=problems,
        problem=problem,
        question=question,
        gold=gold,
        response=response,
        pick=pick,
    )
    config, saved, name = subject_of(target, settings, task)
    for wanted in request.rules:
        check_names(one_step(config, wanted))
    check_evaluation(config)

    from counterpoise.cli.live import LazyProgress
    from counterpoise.cli.views.explain import show
    from counterpoise.jobs.explain import explain as look

    with LazyProgress("explaining") as progress:
        found = look(config, request, saved=saved, name=name, on_progress=progress, say_line=console.note)
    if html is not None:
        from counterpoise.files import atomic_write_text
        from counterpoise.report.explain_page import explain_page

        atomic_write_text(html, explain_page(found))
    if json:
        console.print_json(asdict(found))
    else:
        show(found, tokens=tokens)
    if html is not None:
        console.note(f"page: {html}")


def _with_settings(overrides: list[str] | None) -> bool:
    return any(override.startswith("credit.settings") for override in overrides or [])
