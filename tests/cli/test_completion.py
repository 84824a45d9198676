"""Tab completion, in every shell that splits words its own way; nothing that a newcomer types first waits for torch."""

import inspect
import os
import shutil
import subprocess
import sys

import pytest


def completed(*words, split=False):
    """What the shell's script is told for these words, the last of them being typed."""
    environment = {
        **os.environ,
        "_COUNTERPOISE_COMPLETE": "complete_bash" if split else "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": " ".join(["counterpoise", *words]),
        "COMP_WORDS": " ".join(["counterpoise", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code = "import sys; sys.argv = ['counterpoise']; from counterpoise.cli.app import app; app()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    return found.stdout.split()


def test_a_shell_completes_settings():
    assert completed("train", "run.toml", "credit.rule=ns") == ["credit.rule=nsr"]


def test_bash_splits_at_the_sign_and_gets_the_value():
    assert completed("train", "run.toml", "credit.rule", "=", "ns", split=True) == ["nsr"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash")
def test_bash_itself_is_told(tmp_path):
    tool = tmp_path / "counterpoise"
    tool.write_text(f"#!{sys.executable}\nfrom counterpoise.cli.app import main\nmain()\n")
    tool.chmod(0o755)
    script = inspect.cleandoc(
        """
        source <(_COUNTERPOISE_COMPLETE=source_bash counterpoise)
        COMP_WORDS=(counterpoise train run.toml loss.name = cis); COMP_CWORD=5; COMP_LINE="${COMP_WORDS[*]}"
        _counterpoise_completion counterpoise cis =
        echo "${COMPREPLY[@]}"
        """
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert found.stdout.split() == ["cispo"], found.stderr


def test_none_of_them_imports_torch():
    code = (
        "import sys, typer.testing as t; from counterpoise.cli.app import app; from counterpoise.config.complete import *\n"
        "for words in (['init'], ['list'], ['list', 'rules', '--json'], ['config', 'credit'], ['config', 'credit.rule=hinge']):\n"
        "    assert t.CliRunner().invoke(app, words).exit_code == 0, words\n"
        "assert complete_override('credit.settings.')\n"
        "print(*sorted({'torch', 'transformers', 'accelerate', 'sympy', 'datasets'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("\n", "")
