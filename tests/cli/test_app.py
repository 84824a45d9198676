import json
import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from counterpoise import __version__, errors
from counterpoise.cli import app as app_module
from counterpoise.cli.app import COMMANDS, GROUPS, main

HEAVY = ("torch", "transformers", "accelerate", "scipy", "sympy", "datasets", "pyarrow", "pebble", "math_verify")


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.fixture
def raising(monkeypatch):
    """An app whose one extra command `fail` raises what it is given."""

    def make(error: BaseException) -> typer.Typer:
        def fail() -> None:
            """Fail with [key=value] in the help."""
            raise error

        monkeypatch.setattr(app_module, "COMMANDS", {**COMMANDS, "fail": fail})
        return app_module._make_app()

    return make


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.TrainingError("the loss is NaN at step 3"), 1),
        (errors.ConfigError("unknown key 'lerner'; did you mean 'learner'?"), 2),
        (errors.UnknownNameError("task", "cuntdown", ["countdown"]), 2),
    ],
)
def test_an_error_on_purpose_is_one_line_with_its_exit_code(raising, error, code):
    result = CliRunner().invoke(raising(error), ["fail"])
    assert result.exit_code == code
    assert result.stderr == f"error: {error}\n"
    assert result.stdout == ""


def test_a_long_message_is_not_folded(raising):
    message = "word " * 100 + "end"
    assert CliRunner().invoke(raising(errors.DataError(message)), ["fail"]).stderr == f"error: {message}\n"


def test_brackets_in_a_message_are_text(raising):
    result = CliRunner().invoke(raising(errors.MissingExtraError("peft", extra="lora", purpose="model.lora")), ["fail"])
    assert "pip install 'peft>=0.15'" in result.stderr


def test_an_interrupt_is_one_line_and_130(raising):
    result = CliRunner().invoke(raising(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.stderr) == (130, "error: interrupted\n")


def test_the_traceback_is_printed_only_when_wanted(raising, monkeypatch):
    app = raising(errors.DataError("empty"))
    assert "Traceback" not in CliRunner().invoke(app, ["fail"]).stderr
    monkeypatch.setenv("COUNTERPOISE_TRACEBACK", "1")
    assert "Traceback" in CliRunner().invoke(app, ["fail"]).stderr


def test_any_other_exception_is_called_a_bug(raising, monkeypatch, capsys):
    monkeypatch.setattr(app_module, "app", raising(KeyError("x")))
    monkeypatch.setattr(sys, "argv", ["counterpoise", "fail"])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert said.startswith("error: this is a bug in counterpoise: KeyError: 'x' (")
    assert said.rstrip().endswith("with the output of the same command under COUNTERPOISE_TRACEBACK=1")
    assert said.count("\n") == 1


def test_square_brackets_survive_in_the_help(raising):
    assert "[key=value]" in CliRunner().invoke(raising(KeyError()), ["fail", "--help"]).stdout


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_every_command_has_a_help_page(name):
    result = CliRunner().invoke(app_module.app, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_an_unknown_command_is_usage_and_names_the_nearest():
    result = CliRunner().invoke(app_module.app, ["doctr"])
    assert result.exit_code == 2
    assert "doctor" in result.stderr


def test_the_version_is_printed():
    result = CliRunner().invoke(app_module.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"counterpoise {__version__}\n")


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['counterpoise', '--help']\n"
        "from counterpoise.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = run_python(code)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_a_reader_that_stops_early_gets_no_traceback():
    code = "from counterpoise.cli import console\nfor line in range(100_000): console.stdout.print(line)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None and writer.stderr is not None
        assert writer.stdout.readline() == "0\n"
        writer.stdout.close()
        assert writer.stderr.read() == ""


def test_completion_names_the_commands():
    done = run_python(
        "from counterpoise.cli.app import main; main()",
        _COUNTERPOISE_COMPLETE="complete_bash",
        COMP_WORDS="counterpoise doc",
        COMP_CWORD="1",
    )
    assert "doctor" in done.stdout


def test_tables_in_a_pipe_are_not_folded_at_80_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)  # the workers of pytest-xdist set it
    done = run_python(
        "from counterpoise.cli import console; t = console.table('a'); t.add_row('x' * 120); console.stdout.print(t)"
    )
    assert "x" * 120 in done.stdout


def test_json_is_printed_unfolded_and_what_is_undefined_is_null():
    value = {"path": "[red]x[/red] " * 40, "rows": [(1.5, "é")]}
    asked = f"{value | {'gap': None}!r} | {{'gap': float('nan')}}"
    done = run_python(f"from counterpoise.cli import console; console.print_json({asked})")
    assert json.loads(done.stdout) == {"path": value["path"], "rows": [[1.5, "é"]], "gap": None}
