"""The supervisor of `gym_guest`: one sandboxed scorer for each thread, loaded once, and what it is given to load."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from counterpoise.verifiers.sandbox.levels import best_level
from counterpoise.verifiers.sandbox.limits import Limits
from counterpoise.verifiers.sandbox.process import Launcher, Level, SandboxFault

__all__ = ["SandboxedScorer", "discard_scorer", "thread_scorer"]

_CAP: Final = 1 << 20
_START_SECONDS: Final = 120.0
_ANSWER_SECONDS: Final = 60.0
# The scorer outlives its answers: each of its children has limits of its own for time and threads.
_LIMITS: Final = Limits(seconds=86_400, threads=1 << 16)
_ROOM: Final = "counterpoise.verifiers.guests"
_GUEST: Final = f"{_ROOM}.gym_guest"
_OURS: Final = (f"{_ROOM}.gym_scoring", "counterpoise.verifiers.sandbox.seccomp")
_NEEDED: Final = ("factory", "dataset", "utils", "coaching.attributes", "coaching.base_curriculum")
_COACHING: Final = (
    "from reasoning_gym.coaching.attributes import AttributeDefinition, RangeAttributeDefinition, ScalarAttributeDefinition\n"
    "from reasoning_gym.coaching.base_curriculum import BaseCurriculum\n"
)
"""All that generators take from that package, whose other modules need yaml."""
_NUMPY: Final = "def isclose(a, b, rtol=1e-5, atol=1e-8):\n    return bool(a == b or abs(a - b) <= atol + rtol * abs(b) < float('inf'))\n"
"""All that the scorer of `countdown` takes from numpy, whose compiled code has no business there."""
_WARM: Final = (
    "import sympy\nx = sympy.Symbol('x')\n"
    "sympy.simplify(sympy.diff(sympy.parse_expr('x**2/2 + sin(2*x)*exp(x)', local_dict={'x': x}), x) - x)\n"
)
"""Makes sympy import what it imports late, once and not in every child."""
_BOOT: Final = (
    "import builtins, sys, types\nmodule = sys.modules[{name!r}] = types.ModuleType({name!r})\nmodule.__builtins__ = builtins\n"
    "exec(compile({source!r}, {name!r}, 'exec', dont_inherit=True), vars(module))\nmodule.serve()\n"
)
"""Runs where tests run; there a name that nobody defines is asked of a program, so the guest gets Python's own builtins back."""

Sources = dict[str, tuple[bool, str]]


class SandboxedScorer:
    """A process that scores answers of generators in forked children; for one thread.

    Args:
        level: of the sandbox.
        generators: modules by the generators that are to be scored.
        literals: generators whose module gets `ast.literal_eval` for `eval`.

    Raises:
        SandboxFault: it cannot be started.
    """

    def __init__(self, level: Level, *, generators: Mapping[str, str], literals: Collection[str]) -> None:
        self.level = level
        self._launcher = Launcher(level, bwrap=shutil.which("bwrap") if level == "bwrap" else None)
        try:
            self._guest = self._launcher.start("tests", cap=_CAP)
            deadline = time.monotonic() + _START_SECONDS
            self._line(deadline)
            boot = _BOOT.format(name=_GUEST, source=_source(_GUEST))
            exam = {"kind": "asserts", "setup": boot, "tests": "", "entry_point": None}
            self._send({"limits": _LIMITS.message(), "exam": exam})
            self._line(deadline)
            for message in _preparation(generators, literals):
                self._send(message)
            self._line(deadline)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it; safe to call twice."""
        self._launcher.close()

    def score(self, gold: str, answer: str, *, seconds: int) -> dict[str, Any]:
        """What `gym_scoring.outcome` returned in a child, or `{"broke": why}`; `seconds` of processor time are its limit.

        Whoever runs code in the child decides this answer's score, and nothing else.

        Raises:
            SandboxFault: the scorer itself has gone; close it.
        """
        self._guest.channel.total = 0
        self._send({"gold": gold, "answer": answer, "seconds": seconds, "filtered": self.level != "rlimits"})
        try:
            reply = json.loads(self._line(time.monotonic() + _ANSWER_SECONDS))
            ended, text = reply["signal"], reply["said"]
        except (ValueError, TypeError, KeyError) as error:
            raise SandboxFault("the scorer of reasoning-gym makes no sense") from error
        if ended:
            return {"broke": "TimeoutError" if ended == 9 else f"signal {ended}"}
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return {"broke": "no reply"}
        return said if isinstance(said, dict) else {"broke": "no reply"}

    def _send(self, message: dict[str, Any]) -> None:
        self._guest.channel.send(json.dumps(message).encode() + b"\n")

    def _line(self, deadline: float) -> str:
        guest = self._guest
        while (line := guest.channel.line()) is None:
            if guest.ending is not None or guest.channel.closed:
                fault = guest.ending.fault if guest.ending is not None else None
                raise SandboxFault(fault or "the scorer of reasoning-gym has gone")
            if time.monotonic() > deadline:
                raise SandboxFault("the scorer of reasoning-gym does not answer")
            self._launcher.wait([guest], min(1.0, max(0.0, deadline - time.monotonic())))
        if line.startswith('["l","broken"'):
            raise SandboxFault(f"the scorer of reasoning-gym does not start: {line[:120]}")
        return line


_LOCAL = threading.local()


def thread_scorer(*, unsafe: bool, generators: Mapping[str, str], literals: Collection[str]) -> SandboxedScorer:
    """This thread's scorer, started by its first use and kept.

    Raises:
        VerifierError: no level of the sandbox works here. SandboxFault: one does, and the scorer does not start.
    """
    held: dict[bool, tuple[int, SandboxedScorer]] = _LOCAL.__dict__.setdefault("held", {})
    owner, scorer = held.get(unsafe, (0, None))
    if scorer is None or owner != os.getpid():
        scorer = SandboxedScorer(best_level(unsafe=unsafe), generators=generators, literals=literals)
        held[unsafe] = (os.getpid(), scorer)
    return scorer


def discard_scorer(*, unsafe: bool) -> None:
    """Close this thread's scorer, after a fault; the next use starts another."""
    held: dict[bool, tuple[int, SandboxedScorer]] = _LOCAL.__dict__.get("held", {})
    if unsafe in held:
        held.pop(unsafe)[1].close()


def _preparation(generators: Mapping[str, str], literals: Collection[str]) -> Iterator[dict[str, Any]]:
    """What is sent to the guest before its first answer; sympy comes first, so that it does not meet the numpy of ours."""
    ours: Sources = {name: (False, _source(name)) for name in _OURS}
    yield {"sources": {_ROOM: (True, ""), **ours}, "load": list(_OURS)}
    yield {"sources": _package("mpmath")}
    yield {"sources": _package("sympy"), "load": ["sympy"], "warm": _WARM}
    modules = sorted(set(generators.values()))
    sources: Sources = {name: (False, _source(name)) for name in (*modules, *(f"reasoning_gym.{n}" for n in _NEEDED))}
    for name in list(sources):
        parents = name.split(".")[:-1]
        for depth in range(1, len(parents) + 1):
            sources[".".join(parents[:depth])] = (True, "")
    sources |= {"reasoning_gym.coaching": (True, _COACHING), "numpy": (False, _NUMPY)}
    yield {
        "sources": sources,
        "load": modules,
        "literals": sorted({generators[name] for name in literals if name in generators}),
        "forget": ["numpy"],
        "ready": True,
    }


def _package(name: str) -> Sources:
    """Every module of a package of pure Python, without its tests: what is imported late must be there too."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SandboxFault(f"the package {name} is not installed")
    root = Path(next(iter(spec.submodule_search_locations)))
    sources: Sources = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if {"tests", "benchmarks"}.isdisjoint(parts):
            package = parts[-1] == "__init__"
            module = ".".join((name, *(parts[:-1] if package else parts)))
            sources[module] = (package, path.read_text(encoding="utf-8"))
    return sources


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SandboxFault(f"the module {name} has no source here")
    return Path(spec.origin).read_text(encoding="utf-8")
