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


def find_compiler() -> str:
    """The path of what `CXX` names, else of g++, else of clang++.

    Raises:
        UsageError: it is not there.
    """
    asked = os.environ.get("CXX")
    for name in (asked,) if asked else ("g++", "clang++"):
        if found := shutil.which(name):
            return found
    raise UsageError(
        f"rollout.compiled_decode needs a C++ compiler, and there is no {asked or 'g++ or clang++'} here; install one, name one in CXX, or "
        "leave the setting out"
    )


def load_library(source: Path, definitions: Sequence[str]) -> ctypes.CDLL:
    """Compile a file with `NAME=VALUE` definitions, for this very machine, and load it; nothing is left on disk.

    Raises:
        UsageError: there is no compiler, or it refuses.
    """
    compiler, said = find_compiler(), ""
    with tempfile.TemporaryDirectory(prefix="counterpoise-") as folder:
        made = Path(folder) / "operators.so"
        for flags in _FLAGS:
            words = [compiler, "-O3", "-std=c++17", *flags, *(f"-D{each}" for each in definitions), "-shared", "-fPIC"]
            done = subprocess.run(
                [*words, str(source), "-o", str(made)], capture_output=True, text=True, errors="replace"
            )
            if done.returncode == 0:
                return ctypes.CDLL(str(made))
            said = said or done.stderr.strip()
    why = (said or "it said nothing").splitlines()[0]
    raise UsageError(
        f"{compiler} could not compile {source.name} ({why}); name another compiler in CXX, or leave rollout.compiled_decode out"
    )
