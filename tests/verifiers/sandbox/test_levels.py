import os
import shutil
import sys

import pytest

from counterpoise.errors import VerifierError
from counterpoise.verifiers.guests.code import CodeVerifier
from counterpoise.verifiers.guests.stdio import StdioVerifier
from counterpoise.verifiers.sandbox import levels
from counterpoise.verifiers.sandbox.levels import LEVELS, best_level, bubblewrap_command, open_sandbox, refusal
from counterpoise.verifiers.sandbox.limits import Limits


@pytest.fixture
def fresh():
    levels._refusal.cache_clear()
    yield
    levels._refusal.cache_clear()


def pretend(monkeypatch, **reasons):
    monkeypatch.setattr(levels, "_refusal", lambda level: reasons.get(level.partition("+")[0]))


def test_the_order():
    assert LEVELS == ("bwrap", "landlock+seccomp", "rlimits")


def test_the_best_that_works_is_taken(monkeypatch):
    pretend(monkeypatch)
    assert best_level() == "bwrap"
    pretend(monkeypatch, bwrap="not installed")
    assert best_level() == "landlock+seccomp"


def test_limits_alone_are_refused_unless_they_are_wanted(monkeypatch):
    pretend(monkeypatch, bwrap="bubblewrap is not installed", landlock="the kernel is old")
    with pytest.raises(
        VerifierError,
        match=r"cannot be run safely here \(bwrap: bubblewrap is not installed; landlock\+seccomp: the kernel is old\)\. "
        r"Install bubblewrap with: .*AppArmor .*containers .*unsafe=true",
    ):
        best_level()
    with pytest.raises(VerifierError, match="unsafe=true"):
        CodeVerifier()
    assert best_level(unsafe=True) == "rlimits"
    assert "+rlimits+" in CodeVerifier(unsafe=True).version


def test_without_bubblewrap_in_the_path_the_second_level_really_runs(monkeypatch, tmp_path, fresh):
    if refusal("landlock+seccomp") is not None:
        pytest.skip(refusal("landlock+seccomp"))
    levels._refusal.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal("bwrap") == "bubblewrap is not installed"
    with open_sandbox() as sandbox:
        exam = {
            "kind": "asserts",
            "setup": "",
            "tests": "assert f(1) == 2",
            "entry_point": None,
            "program_names": ["f"],
        }
        assert sandbox.level == "landlock+seccomp"
        assert sandbox.examine("def f(x): return x + 1", exam, Limits()).correct


def test_a_bubblewrap_that_refuses_says_why(monkeypatch, tmp_path, fresh):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert shutil.which("bwrap") == str(fake)
    assert refusal("bwrap") == "installed but refused: bwrap: setting up uid map: Permission denied"
    fake.write_text("#!/bin/sh\necho 'bwrap: Unknown option --disable-userns' >&2\nexit 1\n")
    levels._refusal.cache_clear()
    assert refusal("bwrap") == "too old: version 0.8 or newer is needed, for --disable-userns"


def test_a_level_that_does_not_confine_is_not_taken(monkeypatch, fresh):
    # Resource limits alone fail the probe that the other levels must pass.
    monkeypatch.setattr(levels, "_RUNS", levels._EXAM)
    assert refusal("rlimits") == "a program that tried to get out did"


def test_other_systems(monkeypatch, fresh):
    monkeypatch.setattr(levels.platform, "system", lambda: "Darwin")
    assert refusal("bwrap") == "programs are run on Linux only, and this is Darwin"


@pytest.mark.parametrize(
    ("manager", "command"), [("apt-get", "sudo apt-get install bubblewrap"), ("dnf", "sudo dnf install bubblewrap")]
)
def test_the_install_command(monkeypatch, manager, command):
    monkeypatch.setattr(levels.shutil, "which", lambda name: "/usr/bin/x" if name == manager else None)
    assert bubblewrap_command() == command


def test_the_version_names_the_level(monkeypatch):
    pretend(monkeypatch)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert CodeVerifier(seconds=3).version == f"2+python-{python}+bwrap+3s+1024MB"


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (
            {"bwrap": "no", "landlock": "no"},
            "where no sandbox works; as here: they can read and write whatever you can",
        ),
        ({"bwrap": "no"}, "where no sandbox works; here they have one: landlock+seccomp"),
    ],
)
def test_unsafe_is_announced_with_what_it_means_here(monkeypatch, reasons, said):
    pretend(monkeypatch, **reasons)
    for verifier in (CodeVerifier, StdioVerifier):
        made = verifier(unsafe=True)
        assert made.announcement == (
            f"verifier {made.name}: unsafe = true runs programs of responses under resource limits alone {said}"
        )


def test_a_verifier_with_a_sandbox_announces_nothing(monkeypatch):
    pretend(monkeypatch)
    assert CodeVerifier().announcement is None and StdioVerifier().announcement is None
