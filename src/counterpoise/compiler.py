"""The C++ compiler of this machine, for operators that are made where they run. No torch."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from counterpoise.errors import UsageError

__all__ = ["find_compiler", "load_library"]

_FLAGS = (("-march=native",), ())
"""Tried in turn: some compilers know no native machine."""
_HEADERS = Path(__file__).parent


def find_compiler(setting: str) -> str:
    """The path of what `CXX` names, else of g++, else of clang++.

    Args:
        setting: key of the run file that asks for it.

    Raises:
        UsageError: it is not there.
    """
    asked = os.environ.get("CXX")
    for name in (asked,) if asked else ("g++", "clang++"):
        if found := shutil.which(name):
            return found
    raise UsageError(
        f"{setting} needs a C++ compiler, and there is no {asked or 'g++ or clang++'} here; install one, name one in CXX, or leave the "
        "setting out"
    )


def load_library(source: Path, definitions: Sequence[str], setting: str) -> ctypes.CDLL:
    """Compile a file with `NAME=VALUE` definitions, for this very machine, and load it; nothing is left on disk.

    Args:
        source: C++, which may include what lies beside this module.
        definitions: numbers that the compiler is to know.
        setting: key of the run file that asks for it.

    Raises:
        UsageError: there is no compiler, or it refuses.
    """
    compiler, said = find_compiler(setting), ""
    with tempfile.TemporaryDirectory(prefix="counterpoise-") as folder:
        made = Path(folder) / "operators.so"
        for flags in _FLAGS:
            words = [compiler, "-O3", "-std=c++17", *flags, "-I", str(_HEADERS), *(f"-D{each}" for each in definitions)]
            words += ["-shared", "-fPIC", str(source), "-o", str(made)]
            done = subprocess.run(words, capture_output=True, text=True, errors="replace")
            if done.returncode == 0:
                return ctypes.CDLL(str(made))
            said = said or done.stderr.strip()
    why = (said or "it said nothing").splitlines()[0]
    raise UsageError(
        f"{compiler} could not compile {source.name} ({why}); name another compiler in CXX, or leave {setting} out"
    )
