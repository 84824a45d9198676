"""Landlock by system call: which files a process may read from now on, and that it may write, bind and connect nowhere.

Interface: `man 7 landlock`. Version 3 (Linux 6.2) is the oldest that is used, because before it a file that may be read could be truncated.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping
from typing import Final

__all__ = ["OLDEST", "READ_DIR", "READ_FILE", "landlock_version", "make_ruleset", "restrict"]

OLDEST: Final = 3
"""Least version of the kernel's interface that is good enough."""
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH = 1, 1
_BIND_TCP_AND_CONNECT_TCP, _SCOPE_SOCKETS_AND_SIGNALS = 3, 3
_PR_SET_NO_NEW_PRIVS = 38
# Rights over files by the version that brought the last of them.
_FILE_RIGHTS: Final = {3: (1 << 15) - 1, 5: (1 << 16) - 1}


def _call(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    result: int = library.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def landlock_version() -> int:
    """Version of the kernel's interface; 0 where it has none."""
    try:
        return _call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    except OSError:
        return 0


def make_ruleset(allowed: Mapping[str, int]) -> int:
    """File descriptor of a ruleset that grants `allowed` (path -> rights at and below it) and nothing else that can be governed.

    Raises:
        OSError: the kernel refuses.
    """
    version = landlock_version()
    files = _FILE_RIGHTS[5 if version >= 5 else 3]
    attributes = struct.pack("<Q", files)
    if version >= 4:
        attributes += struct.pack("<Q", _BIND_TCP_AND_CONNECT_TCP)
    if version >= 6:
        attributes += struct.pack("<Q", _SCOPE_SOCKETS_AND_SIGNALS)
    ruleset = _call(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    for path, rights in allowed.items():
        try:
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            rule = struct.pack("<Qi", rights, parent)
            _call(_ADD, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0))
        finally:
            os.close(parent)
    return ruleset


def restrict(ruleset: int) -> None:
    """Put this thread and everything it starts under the ruleset, for good.

    Raises:
        OSError: the kernel refuses.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")
    _call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
