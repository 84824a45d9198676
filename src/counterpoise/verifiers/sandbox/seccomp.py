"""The list of system calls that a program under test may make, as a BPF program for the kernel's seccomp filter.

What is not listed fails with EPERM, so a new kernel's new calls are closed too. No process can be made (threads can), no socket opened
except a pair of Unix ones, nobody else signalled, traced or limited, nothing mounted, no namespace entered, no attribute or owner of a file
changed. Sources: `man 2 seccomp`, and the system call tables `asm/unistd_64.h` (x86-64) and `asm-generic/unistd.h` (arm64) of Linux.
"""

from __future__ import annotations

import platform
import struct
from typing import Final

__all__ = ["ARCHITECTURES", "seccomp_filter"]

ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""Machines whose tables are known, with the kernel's number of each (`AUDIT_ARCH_…`)."""

# Names with their numbers on x86-64 and on arm64; - where a machine has no such call.
_TABLE: Final = """
read 0 63|write 1 64|open 2 -|close 3 57|stat 4 -|fstat 5 80|lstat 6 -|poll 7 -|lseek 8 62|mmap 9 222|mprotect 10 226
munmap 11 215|brk 12 214|rt_sigaction 13 134|rt_sigprocmask 14 135|rt_sigreturn 15 139|pread64 17 67|pwrite64 18 68
readv 19 65|writev 20 66|access 21 -|pipe 22 -|select 23 -|sched_yield 24 124|mremap 25 216|msync 26 227
mincore 27 232|madvise 28 233|dup 32 23|dup2 33 -|pause 34 -|nanosleep 35 101|getitimer 36 102|alarm 37 -
setitimer 38 103|getpid 39 172|sendfile 40 71|sendto 44 206|recvfrom 45 207|sendmsg 46 211|recvmsg 47 212
shutdown 48 210|getsockname 51 204|getpeername 52 205|setsockopt 54 208|getsockopt 55 209|execve 59 221|exit 60 93
wait4 61 260|uname 63 160|fcntl 72 25|flock 73 32|fsync 74 82|fdatasync 75 83|ftruncate 77 46|getdents 78 -
getcwd 79 17|chdir 80 49|fchdir 81 50|rename 82 -|mkdir 83 -|rmdir 84 -|creat 85 -|unlink 87 -|symlink 88 -
readlink 89 -|umask 95 166|gettimeofday 96 169|getrlimit 97 163|getrusage 98 165|sysinfo 99 179|times 100 153
getuid 102 174|getgid 104 176|geteuid 107 175|getegid 108 177|getppid 110 173|getpgrp 111 -|setsid 112 157
getgroups 115 158|getresuid 118 148|getresgid 120 150|getpgid 121 155|getsid 124 156|rt_sigpending 127 136
rt_sigtimedwait 128 137|rt_sigsuspend 130 133|sigaltstack 131 132|statfs 137 43|fstatfs 138 44|getpriority 140 141
sched_getparam 143 121|sched_getscheduler 145 120|sched_get_priority_max 146 125|sched_get_priority_min 147 126
arch_prctl 158 -|setrlimit 160 164|gettid 186 178|time 201 -|futex 202 98|sched_getaffinity 204 123|getdents64 217 61
set_tid_address 218 96|restart_syscall 219 128|fadvise64 221 223|timer_create 222 107|timer_settime 223 110
timer_gettime 224 108|timer_getoverrun 225 109|timer_delete 226 111|clock_gettime 228 113|clock_getres 229 114
clock_nanosleep 230 115|exit_group 231 94|epoll_wait 232 -|epoll_ctl 233 21|waitid 247 95|openat 257 56|mkdirat 258 34
newfstatat 262 79|unlinkat 263 35|renameat 264 38|symlinkat 266 36|readlinkat 267 78|faccessat 269 48|pselect6 270 72
ppoll 271 73|set_robust_list 273 99|get_robust_list 274 100|epoll_pwait 281 22|timerfd_create 283 85|eventfd 284 -
fallocate 285 47|timerfd_settime 286 86|timerfd_gettime 287 87|eventfd2 290 19|epoll_create1 291 20|dup3 292 24
pipe2 293 59|preadv 295 69|pwritev 296 70|renameat2 316 276|getrandom 318 278|membarrier 324 283
copy_file_range 326 285|statx 332 291|rseq 334 293|close_range 436 436|faccessat2 439 439|epoll_pwait2 441 441
futex_waitv 449 449
"""
_SPECIAL: Final = {
    "x86_64": {
        "clone": 56,
        "clone3": 435,
        "fork": 57,
        "vfork": 58,
        "socketpair": 53,
        "tgkill": 234,
        "prlimit64": 302,
        "ioctl": 16,
        "prctl": 157,
    },
    "aarch64": {
        "clone": 220,
        "clone3": 435,
        "socketpair": 199,
        "tgkill": 131,
        "prlimit64": 261,
        "ioctl": 29,
        "prctl": 167,
    },
}
_LAST_KNOWN: Final = 450

_LOAD, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_NUMBER, _ARCHITECTURE = 0, 4
_THREAD, _NEW_NAMESPACES = 0x10000, 0x7E020000
_SIGKILL, _SIGSTOP, _AF_UNIX, _STDIN_PUSH, _CONSOLE = 9, 19, 1, 0x5412, 0x541C


def seccomp_filter(*, processes: bool = False, execute: bool = False, only_signal: int | None = None) -> bytes:
    """The filter as an array of `struct sock_filter`, for this machine.

    Args:
        processes: allow fork (never with new namespaces), for the tests' own process.
        execute: allow execve, which whoever installs the filter before starting an interpreter needs.
        only_signal: process number that signals may go to; None where a namespace of its own keeps others out of reach.

    Raises:
        OSError: this machine's system call table is not known here.
    """
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise OSError(f"no list of system calls for {machine}; known: {', '.join(ARCHITECTURES)}")
    special = _SPECIAL[machine]
    program = [_load(_ARCHITECTURE), *_unless(_EQUAL, ARCHITECTURES[machine], _KILL), _load(_NUMBER)]
    program += [*_when(_GREATER, _LAST_KNOWN, _ENOSYS), *_when(_EQUAL, special["clone3"], _ENOSYS)]
    for low, high in _ranges(machine, execute=execute):
        program += [_jump(_AT_LEAST, low, 0, 2), _jump(_GREATER, high, 1, 0), _give(_ALLOW)]
    clone = _when(_ANY_BIT, _NEW_NAMESPACES, _EPERM) if processes else _unless(_ANY_BIT, _THREAD, _EPERM)
    program += _case(special["clone"], [_load(_argument(0)), *clone])
    if processes:
        for name in ("fork", "vfork", "prctl"):
            program += _case(special[name], []) if name in special else []
    signals = [_load(_argument(2)), *_when(_EQUAL, _SIGKILL, _EPERM), *_when(_EQUAL, _SIGSTOP, _EPERM)]
    if only_signal is not None:
        signals += [_load(_argument(0)), *_unless(_EQUAL, only_signal, _EPERM)]
    program += _case(special["tgkill"], signals)
    program += _case(special["socketpair"], [_load(_argument(0)), *_unless(_EQUAL, _AF_UNIX, _EPERM)])
    program += _case(special["prlimit64"], [_load(_argument(0)), *_unless(_EQUAL, 0, _EPERM)])
    pushes = [_load(_argument(1)), *_when(_EQUAL, _STDIN_PUSH, _EPERM), *_when(_EQUAL, _CONSOLE, _EPERM)]
    program += _case(special["ioctl"], pushes)
    return b"".join([*program, _give(_EPERM)])


def _ranges(machine: str, *, execute: bool) -> list[tuple[int, int]]:
    """The allowed numbers, neighbours joined."""
    column = 1 + list(ARCHITECTURES).index(machine)
    rows = [entry.split() for entry in _TABLE.replace("\n", "|").split("|") if entry]
    numbers = sorted(int(row[column]) for row in rows if row[column] != "-" and (execute or row[0] != "execve"))
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def _instruction(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def _load(offset: int) -> bytes:
    return _instruction(_LOAD, 0, 0, offset)


def _give(action: int) -> bytes:
    return _instruction(_RETURN, 0, 0, action)


def _jump(test: int, value: int, yes: int, no: int) -> bytes:
    return _instruction(test, yes, no, value)


def _when(test: int, value: int, action: int) -> list[bytes]:
    return [_jump(test, value, 0, 1), _give(action)]


def _unless(test: int, value: int, action: int) -> list[bytes]:
    return [_jump(test, value, 1, 0), _give(action)]


def _case(number: int, checks: list[bytes]) -> list[bytes]:
    """For call `number`: the checks, which return when they refuse, then allow. The accumulator holds the number before and after."""
    return [_jump(_EQUAL, number, 0, len(checks) + 1), *checks, _give(_ALLOW)]


def _argument(index: int) -> int:
    """Offset of the low half of an argument in `struct seccomp_data`; every value compared here fits in it."""
    return 16 + 8 * index
