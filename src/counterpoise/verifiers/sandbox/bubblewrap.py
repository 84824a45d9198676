"""The command line of bubblewrap for a guest."""

from __future__ import annotations

import os
import sys
from typing import Final

from counterpoise.verifiers.sandbox.interpreter import masks, shown_paths

__all__ = ["ENVIRONMENT", "bubblewrap_options"]

ENVIRONMENT: Final = {"HOME": "/tmp", "LANG": "C.UTF-8", "PATH": "/nowhere", "PYTHONHASHSEED": "0", "TMPDIR": "/tmp"}
"""All that a program finds in its environment; the fixed hash seed makes verdicts repeatable."""

_BOOT: Final = (
    "import marshal,os,sys,types\n"
    "def read(fd):\n"
    "    data=b''\n"
    "    while piece:=os.read(fd,1<<20):data+=piece\n"
    "    os.close(fd)\n"
    "    return data\n"
    "modules,role=marshal.loads(read({payload}))\n"
    "for name,code in modules:\n"
    "    module=sys.modules[name]=types.ModuleType(name)\n"
    "    if code is None:module.__path__=[]\n"
    "    else:exec(code,module.__dict__)\n"
    "getattr(module,role)()\n"
)


def bubblewrap_options(*, scratch: int, payload: int, seccomp: int, info: int) -> list[str]:
    """Every option after `bwrap`, the command included.

    `--unshare-all` leaves no network, no other process, no shared memory of the host; what is mounted is read-only but for `scratch`
    bytes in /tmp. There is no /proc. `--dev` brings an unlimited RAM disk in /dev/shm, so it is replaced by a small one and sealed.
    """
    options = [
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--clearenv",
    ]
    for name, value in ENVIRONMENT.items():
        options += ["--setenv", name, value]
    for path in shown_paths():
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        else:
            options += ["--ro-bind", path, path]
    for path in masks():
        options += ["--tmpfs", path, "--remount-ro", path]
    options += ["--dev", "/dev", "--size", str(1 << 20), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    options += ["--size", str(scratch), "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/"]
    options += ["--seccomp", str(seccomp), "--info-fd", str(info), "--"]
    interpreter = os.path.realpath(sys.executable)
    return [*options, interpreter, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _BOOT.format(payload=payload)]
