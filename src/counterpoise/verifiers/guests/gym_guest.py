"""The scorer inside the sandbox: loads modules once, then forks for every answer, so that no answer meets what another one left.

Nothing is installed where this runs. It gets the source of every module that it imports over its channel.
"""

from __future__ import annotations

import ast
import ctypes
import gc
import importlib
import json
import os
import resource
import sys
from importlib.machinery import ModuleSpec

from counterpoise.verifiers.sandbox.guest import CHANNEL, read_line, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

__all__ = ["serve"]

_LONGEST, _DESCRIPTORS = 4096, 4096
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2


class _Shipped:
    """Imports modules from their sources."""

    def __init__(self) -> None:
        self.sources: dict[str, tuple[bool, str]] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in self.sources:
            return None
        return ModuleSpec(name, self, is_package=self.sources[name][0])  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.sources[module.__name__][1], f"<{module.__name__}>", "exec", dont_inherit=True), vars(module))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def serve() -> None:
    """Obey one JSON object a line until the supervisor goes.

    `sources` (module: [is a package, source]) and `forget` (modules) say what can be imported, `load` imports, `literals` takes `eval`
    away from modules, `warm` runs a line of ours; `ready` is answered. `gold` with `answer`, `seconds` and `filtered` is scored.
    """
    shipped = _Shipped()
    sys.meta_path.insert(0, shipped)
    libc = ctypes.CDLL(None, use_errno=True)
    pending = bytearray()
    say("up")
    while (line := read_line(pending)) is not None:
        message = json.loads(line)
        if "gold" in message:
            say(json.dumps(_in_a_child(message, libc)))
            continue
        shipped.sources.update(message.get("sources", {}))
        for name in message.get("load", ()):
            importlib.import_module(name)
        for name in message.get("literals", ()):
            # A module's own `eval` goes before the built-in one.
            vars(sys.modules[name])["eval"] = ast.literal_eval
        exec(message.get("warm", ""), {})
        for name in message.get("forget", ()):
            shipped.sources.pop(name, None)
            sys.modules.pop(name, None)
        if "ready" in message:
            gc.freeze()
            say(json.dumps({"ready": True}))
    os._exit(0)


def _in_a_child(message: dict[str, Any], libc: ctypes.CDLL) -> dict[str, Any]:
    """What a child of this process wrote of an answer, and the signal that ended it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            # The pipe is all that it has: another copy of the channel would speak for the scorer.
            os.closerange(CHANNEL, write)
            os.closerange(write + 1, _DESCRIPTORS)
            _confine(message["seconds"], libc if message["filtered"] else None)
            os.write(write, json.dumps(_scored(message["gold"], message["answer"])).encode()[:_LONGEST])
        finally:
            os._exit(0)
    os.close(write)
    said = b""
    while len(said) <= _LONGEST and (piece := os.read(read, _LONGEST)):
        said += piece
    os.close(read)
    status = os.waitpid(child, 0)[1]
    return {"said": said.decode("ascii", "replace"), "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}


def _confine(seconds: int, libc: ctypes.CDLL | None) -> None:
    """From here on: no thread, no process, no signal to anybody else, and an end to the time."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if libc is None:
        return
    from counterpoise.verifiers.sandbox.seccomp import seccomp_filter

    program = seccomp_filter(only_signal=os.getpid())
    held = ctypes.create_string_buffer(program, len(program))
    described = _Program(len(program) // 8, ctypes.addressof(held))
    if libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(described), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the seccomp filter was refused")


def _scored(gold: str, answer: str) -> dict[str, Any]:
    from counterpoise.verifiers.guests.gym_scoring import outcome

    try:
        return outcome(gold, answer)
    except (MemoryError, RecursionError) as error:
        return {"broke": type(error).__name__}
