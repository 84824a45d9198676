"""The compiler that is taken, and what is asked of a library that it makes."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
from pathlib import Path

import pytest

from counterpoise import compiler
from counterpoise.compiler import find_compiler, load_library, worker_pool
from counterpoise.errors import UsageError

FOUND = shutil.which("g++") or shutil.which("clang++")
pytestmark = pytest.mark.skipif(not FOUND, reason="there is no C++ compiler here")


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    """Two functions; nothing is compiled, or refused, before or after."""
    monkeypatch.setattr(compiler, "_made", compiler._made.__wrapped__)
    path = tmp_path / "two.cpp"
    path.write_text('extern "C" void one() {}\nextern "C" int two(int x) { return 2 * x; }\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("env {0}", "{env} {0}"),
        ("{0} -DMORE='a b'", "{0} '-DMORE=a b'"),
        ("  {0} ", "{0}"),
        ("'{folder}/a c++'", "'{folder}/a c++'"),
        ("{folder}/a c++", "'{folder}/a c++'"),
    ],
    ids=["a program before it", "words behind it", "blanks around it", "quoted", "a path with a blank"],
)
def test_CXX_is_a_command(asked, says, source, tmp_path, monkeypatch) -> None:
    (tmp_path / "a c++").symlink_to(FOUND)
    given = {"folder": tmp_path, "env": shutil.which("env")}
    monkeypatch.setenv("CXX", asked.format(FOUND, **given))
    assert find_compiler() == says.format(FOUND, **given) and Path(shlex.split(find_compiler())[0]).exists()
    assert load_library(source, ()).two(21) == 42


@pytest.mark.parametrize("asked", ["nowhere/c++ -O2", "'g++"])
def test_a_command_without_a_program_is_told(asked, monkeypatch) -> None:
    monkeypatch.setenv("CXX", asked)
    with pytest.raises(
        UsageError, match=f"^there is no {asked.replace('+', '[+]')} here; install one, or name one in CXX$"
    ):
        find_compiler()


def test_blanks_are_no_compiler(monkeypatch) -> None:
    monkeypatch.setenv("CXX", " ")
    assert find_compiler() == FOUND


def test_a_library_that_lacks_a_function_is_none(source, tmp_path, monkeypatch) -> None:
    other, program = tmp_path / "other.cpp", tmp_path / "c++"
    other.write_text('extern "C" void one() {}\n', encoding="utf-8")
    program.write_text(
        f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nexec {FOUND} -shared -fPIC {other} -o "$2"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("CXX", str(program))
    with pytest.raises(
        UsageError, match=r"makes of two.cpp cannot be used \(it has no two\); name another .* compiler in CXX"
    ):
        load_library(source, ())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    """It had the parent's pool, whose threads are not copied, and waited for them for ever."""
    assert list(worker_pool(2).map(abs, (-1, -2))) == [1, 2]
    if not (child := os.fork()):
        os._exit(sum(worker_pool(2).map(abs, (-3, -4))))
    until = time.monotonic() + 60
    while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < until:
        time.sleep(0.01)
    if not ended[0]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 7 << 8)
