"""The command `counterpoise`: registers the commands and turns what goes wrong into one line and an exit code.

A command lives in its own file of `commands/`, which is imported when it is asked for, and imports what is heavy inside its function,
so that `--help`, tab completion and messages about mistakes answer at once. To add one: write `cli/commands/<name>.py` and add a line to
`COMMANDS`.

Exit codes: 0 done, 1 the run failed (or there is a bug), 2 wrong usage or configuration, 130 interrupted,
141 the reader of the output went away before its end.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import signal
import sys
import traceback
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from counterpoise import __version__
from counterpoise.cli import console
from counterpoise.cli.output import guarded_streams, lost
from counterpoise.errors import CounterpoiseError
from counterpoise.garbage import seldom_collected

__all__ = ["COMMANDS", "GROUPS", "TRACEBACK_VARIABLE", "app", "main"]

TRACEBACK_VARIABLE = "COUNTERPOISE_TRACEBACK"
"""Set it to 1 to see where an error came from."""


class _Imported(Mapping[str, Any]):
    """Objects by name, each imported when it is asked for: a command costs its own imports alone."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Any:
        module, _, found = self._places[name].partition(":")
        return getattr(importlib.import_module(f"counterpoise.cli.commands.{module}"), found)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


COMMANDS: Mapping[str, Callable[..., None]] = _Imported(
    {
        "demo": "demo:demo",
        "init": "init:init",
        "advise": "advise:advise",
        "train": "train:train",
        "study": "study:study",
        "watch": "watch:watch",
        "eval": "eval:evaluate",
        "grade": "grade:grade",
        "merge": "merge:merge",
        "import": "import_:import_rollouts",
        "export": "export:export",
        "compare": "compare:compare",
        "report": "report:report",
        "explain": "explain:explain",
        "pretrain": "pretrain:pretrain",
        "verify": "verify:verify",
        "passk": "passk:passk",
        "list": "list_:list_names",
        "config": "config:config",
        "doctor": "doctor:doctor",
    }
)
"""Commands by name, in the order of the help page; the docstring is the help text."""

GROUPS: Mapping[str, typer.Typer] = _Imported(
    {"tasks": "tasks:tasks", "model": "model:model", "launch": "launch:launch"}
)
"""Commands that have commands of their own."""


_KEPT = frozenset(
    ("demo", "train", "study", "pretrain", "eval", "grade", "merge", "import", "export", "report", "model", "launch")
)
"""Commands whose work is in files when they are done, so that lost output is not a failure."""

_ASKED = frozenset(("--json", "--markdown", "--show"))
"""Options that make what is printed the work, whatever the command."""

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")
"""What torch says of it; there it is a RuntimeError."""


class _Group(TyperGroup):
    """The outermost command: below it every error on purpose becomes its message and its exit code."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Made()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        try:
            _ask_trust(sys.argv[1:])
            return super().invoke(ctx)
        except CounterpoiseError as error:
            _traceback_if_wanted()
            console.error(str(error))
            raise typer.Exit(error.exit_code) from error
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _NO_MEMORY):
                raise
            _traceback_if_wanted()
            console.error(
                "out of memory; lower rollout.max_rows (rows that are drawn together) or learner.tokens_per_microbatch (tokens of one "
                "forward pass), e.g. rollout.max_rows=64 on the command line; what was saved is intact"
            )
            raise typer.Exit(1) from error
        except KeyboardInterrupt as interrupt:
            _traceback_if_wanted()
            console.error("interrupted")
            raise typer.Exit(130) from interrupt
        except Exception as error:
            # typer brings its own copy of click in some versions, so the class has no one place to be imported from.
            if type(error).__name__ == "NoSuchOption":
                error.message += _as_setting(error)  # type: ignore[attr-defined]
            raise


def _ask_trust(arguments: Sequence[str]) -> None:
    """Say what `model.trust_remote_code=true` does where it is typed; at a terminal, ask."""
    values = [word.partition("=")[2].strip() for word in arguments if word.startswith("model.trust_remote_code=")]
    if not values or values[-1] != "true" or {"--help", "-h"} & {*arguments}:
        return
    console.note("model.trust_remote_code=true runs Python code that comes with the model, with all your rights")
    if sys.stdin.isatty() and sys.stderr.isatty() and not typer.confirm("Have you read it? Go on?", err=True):
        raise typer.Exit(1)


def _as_setting(error: Any) -> str:
    """What to write instead of an option that does not exist, where a setting of the run file has that name."""
    from counterpoise.runfile import setting_places

    takes = error.ctx is not None and any(parameter.name == "overrides" for parameter in error.ctx.command.params)
    places = setting_places(error.option_name.lstrip("-").replace("-", "_")) if takes else []
    return f"; settings are given as KEY=VALUE: {' or '.join(f'{place}=…' for place in places)}" if places else ""


def _print_version(wanted: bool) -> None:
    if wanted:
        console.stdout.print(f"counterpoise {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train language models on verifiable rewards with positive and negative reinforcement held apart, and measure pass@k."""


class _Made(UserDict[str, Any]):
    """The commands as typer makes them, each when it is asked for."""

    def __missing__(self, name: str) -> Any:
        one = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)
        one.callback()(_root)
        if name in GROUPS:
            one.add_typer(GROUPS[name], name=name)
        else:
            command = COMMANDS[name]
            # Escaped because `[key=value]` in a docstring would otherwise be taken for a style and vanish.
            one.command(name, help=escape(inspect.getdoc(command) or ""))(command)
        made = self.data[name] = typer.main.get_command(one).commands[name]  # type: ignore[attr-defined]
        return made

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS or name in GROUPS

    def __iter__(self) -> Iterator[str]:
        return iter((*COMMANDS, *GROUPS))

    def __len__(self) -> int:
        return len(COMMANDS) + len(GROUPS)


def _make_app() -> typer.Typer:
    made = typer.Typer(
        name="counterpoise",
        cls=_Group,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_root)
    return made


app = _make_app()


def main() -> None:
    """Console entry point: run the command of `sys.argv` and exit with its code."""
    with guarded_streams(), seldom_collected():
        code = _with_output(_run())
    sys.exit(code)


def _run() -> int | str | None:
    try:
        app()
    except SystemExit as stop:
        return stop.code
    except Exception as error:
        _traceback_if_wanted()
        where = traceback.extract_tb(error.__traceback__)[-1]
        console.error(
            f"this is a bug in counterpoise: {type(error).__name__}: {error} ({where.filename}:{where.lineno}); please report it "
            f"with the output of the same command under {TRACEBACK_VARIABLE}=1"
        )
        return 1
    return 0


def _with_output(code: int | str | None) -> int | str | None:
    """The exit code, once it is known whether what was printed arrived: a result that is nowhere else must not be lost in silence."""
    sys.stdout.flush()
    error = lost("stdout")
    arguments = sys.argv[1:]
    if (
        error is None
        or code not in (0, None)
        or (arguments[:1] and arguments[0] in _KEPT and not _ASKED & {*arguments})
    ):
        return code
    if error.errno in (errno.EPIPE, errno.EBADF):
        return _NO_READER
    console.error(f"standard output cannot be written: {error.strerror or error}")
    return 1


_NO_READER = 128 + signal.SIGPIPE
"""Exit code when the reader of the output went away, as shells have it."""


def _traceback_if_wanted() -> None:
    if os.environ.get(TRACEBACK_VARIABLE, "0") not in ("", "0"):
        traceback.print_exc()
