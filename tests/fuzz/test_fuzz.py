"""A short look with atheris, and the committed inputs through every target without it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus").iterdir())

_SPEC = importlib.util.spec_from_file_location("fuzz_targets", HERE / "targets.py")
assert _SPEC is not None and _SPEC.loader is not None
targets = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(targets)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_committed_inputs(name):
    for path in CORPUS:
        targets.TARGETS[name](targets.text_of(path.read_bytes()))


@pytest.mark.slow
def test_a_short_look_finds_nothing(tmp_path):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed (extra fuzz: Linux on x86-64, Python 3.11 to 3.13)")
    command = [sys.executable, str(HERE / "fuzz.py"), "--seconds", "6", "--found", str(tmp_path), "everything"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("everything: ") and done.stdout.endswith(" s, nothing found\n")
    assert int(done.stdout.split()[1]) > 50


def test_an_unknown_target_is_named():
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed (extra fuzz: Linux on x86-64, Python 3.11 to 3.13)")
    done = subprocess.run([sys.executable, str(HERE / "fuzz.py"), "word"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stdout.startswith("no target word; there are: choice, countdown, ")
