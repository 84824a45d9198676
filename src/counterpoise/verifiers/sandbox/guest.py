"""The program under test, seen from inside its sandbox: runs it, and answers calls to its functions with plain values.

Nothing that happens in this process is believed by anybody outside: the program can rewrite all of it. It holds no test, no expected value
and no secret. Limits are set before the program is compiled, soft = hard, by a process without privileges, so they stay.
"""

from __future__ import annotations

import os
import sys

from counterpoise.verifiers.sandbox.plain import Unsendable, decode_value, encode_value, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["CHANNEL", "apply_limits", "leave", "read_line", "run_function", "run_script", "say"]

CHANNEL = 3
"""File descriptor of the socket to the supervisor."""


def say(message: str) -> None:
    """Write one line to the supervisor."""
    data = message.encode() + b"\n"
    while data:
        data = data[os.write(CHANNEL, data) :]


def read_line(pending: bytearray) -> str | None:
    """The next line from the supervisor, None when it has gone."""
    while (end := pending.find(b"\n")) < 0:
        chunk = os.read(CHANNEL, 65536)
        if not chunk:
            return None
        pending += chunk
    line = pending[:end].decode()
    del pending[: end + 1]
    return line


def apply_limits(limits: dict[str, int]) -> None:
    """Set the resource limits, soft = hard; `cpu` seconds count from now."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = {
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime + limits["cpu"]) + 1,
        resource.RLIMIT_AS: limits["memory"],
        resource.RLIMIT_FSIZE: limits["file"],
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_NPROC: limits["threads"],
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def run_function() -> None:
    """Load a program, then answer calls to what it defines until the supervisor goes."""
    pending = bytearray()
    say("hello")
    job = _job(pending)
    namespace: dict[str, Any] = {"__name__": "candidate", "__builtins__": __builtins__}
    try:
        exec(compile(job["code"], "<program>", "exec", dont_inherit=True), namespace)
    except BaseException as error:
        say(encode_value(["failed", _describe(error)], _refuse))
        leave(1)
    say('["l","loaded"]')
    kept: list[object] = []

    def keep(value: object) -> int:
        kept.append(value)
        return len(kept) - 1

    while (line := read_line(pending)) is not None:
        try:
            _, expression, arguments, keywords = decode_value(load(line), kept.__getitem__)
            target = namespace[expression] if expression in namespace else eval(expression, namespace)
        except NameError as error:
            say(encode_value(["missing", str(error)], _refuse))
            continue
        try:
            reply = encode_value(["returned", target(*arguments, **keywords)], keep)
        except BaseException as error:
            reply = encode_value(["raised", type(error).__name__, _describe(error)], _refuse)
        say(reply)
    leave(0)


def run_script() -> None:
    """Run a program as `__main__` on standard input and output; its exit code says whether it ended well."""
    pending = bytearray()
    say("hello")
    job = _job(pending)
    os.close(CHANNEL)
    import types

    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    code = 0
    try:
        exec(compile(job["code"], "<program>", "exec", dont_inherit=True), module.__dict__)
    except SystemExit as error:
        code = 0 if error.code is None else error.code & 0xFF if isinstance(error.code, int) else 1
    except BaseException:
        code = 1
    leave(code)


def leave(code: int) -> None:
    """End as the interpreter would: wait for threads, run exit functions, flush, go."""
    threading = sys.modules.get("threading")
    try:
        if threading is not None:
            threading._shutdown()
        import atexit

        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        code = code or 1
    os._exit(code)


def _job(pending: bytearray) -> dict[str, Any]:
    line = read_line(pending)
    if line is None:
        os._exit(0)
    job: dict[str, Any] = load(line)
    apply_limits(job["limits"])
    return job


def _refuse(value: object) -> int:
    raise Unsendable("no plain value")


def _describe(error: BaseException) -> str:
    """Class and text of an exception whose methods may be the program's own."""
    try:
        return f"{type(error).__name__}: {error}"[:200]
    except BaseException:
        return "an exception that cannot be shown"
