"""The script that finds an interpreter for the Makefile says what to install when there is none."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "find-python"


def find(*arguments: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, env={"PATH": path})


@pytest.fixture
def fake(tmp_path):
    """A stand-in interpreter: its answers to the version check, to `import ensurepip, venv`, and to `--version`."""

    def make(*, new_enough: bool, has_venv: bool) -> str:
        program = tmp_path / "python3"
        program.write_text(
            f'#!/bin/sh\ncase "$*" in *version_info*) exit {0 if new_enough else 1};; *ensurepip*) exit {0 if has_venv else 1};;\n'
            "*--version*) echo Python 3.9.1;; esac\n"
        )
        program.chmod(0o755)
        return str(program)

    return make


def test_this_interpreter_is_accepted_and_printed():
    assert find(sys.executable).stdout == f"{sys.executable}\n"


def test_an_old_interpreter_is_named_with_its_version(fake):
    old = fake(new_enough=False, has_venv=True)
    done = find(old)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: PYTHON={old} is not usable (Python 3.9.1); counterpoise needs Python 3.11 or newer: "
        "name another one, e.g. make test PYTHON=python3.12\n"
    )


def test_a_missing_interpreter_is_said_to_be_missing():
    assert "PYTHON=no-such-python is not usable (no such program)" in find("no-such-python").stderr


def test_a_missing_venv_module_comes_with_the_package_that_has_it(fake):
    done = find(fake(new_enough=True, has_venv=False))
    assert done.returncode == 2
    assert "has no venv module" in done.stderr and "sudo apt install python3-venv" in done.stderr
