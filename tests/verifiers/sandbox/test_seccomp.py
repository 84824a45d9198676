"""The filter is run here as the kernel would run it, call by call."""

import errno
import platform
import struct

import pytest

from counterpoise.verifiers.sandbox import seccomp
from counterpoise.verifiers.sandbox.seccomp import ARCHITECTURES, seccomp_filter

ALLOW, KILL = "allow", "kill"


def verdict(program, number, *arguments, architecture="x86_64"):
    """What the kernel does with a system call: `allow`, `kill` or the number of an error."""
    data = struct.pack("<iIQ6Q", number, ARCHITECTURES[architecture], 0, *arguments, *[0] * (6 - len(arguments)))
    instructions = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        code, yes, no, value = instructions[at]
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code == 0x06:
            action = value & 0xFFFF0000
            return {0x7FFF0000: ALLOW, 0x80000000: KILL}.get(action, value & 0xFFFF)
        else:
            test = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[code]
            at += yes if test else no


@pytest.fixture
def intel(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.fixture
def arm(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")


INTEL = {"read": 0, "mmap": 9, "futex": 202, "openat": 257, "exit_group": 231, "getrandom": 318, "statx": 332}
ARM = {"read": 63, "mmap": 222, "futex": 98, "openat": 56, "exit_group": 94, "getrandom": 278, "statx": 291}
FORBIDDEN_INTEL = {
    "socket": 41, "connect": 42, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "chmod": 90, "ptrace": 101, "setuid": 105,
    "prctl": 157, "chroot": 161, "mount": 165, "tkill": 200, "shmget": 29, "keyctl": 250, "unshare": 272, "perf_event_open": 298,
    "setns": 308, "process_vm_readv": 310, "memfd_create": 319, "bpf": 321, "execveat": 322, "io_uring_setup": 425, "pidfd_open": 434,
    "landlock_create_ruleset": 444, "truncate": 76, "open_by_handle_at": 304,
}  # fmt: skip
FORBIDDEN_ARM = {
    "socket": 198, "connect": 203, "execve": 221, "kill": 129, "fchmod": 52, "ptrace": 117, "setuid": 146, "prctl": 167, "chroot": 51,
    "mount": 40, "tkill": 130, "shmget": 194, "keyctl": 219, "unshare": 97, "bpf": 280, "setns": 268, "truncate": 45,
}  # fmt: skip


def test_what_python_needs_is_allowed(intel):
    assert {name: verdict(seccomp_filter(), number) for name, number in INTEL.items()} == dict.fromkeys(INTEL, ALLOW)


def test_the_same_on_arm(arm):
    program = seccomp_filter()
    assert {name: verdict(program, n, architecture="aarch64") for name, n in ARM.items()} == dict.fromkeys(ARM, ALLOW)
    refused = {name: verdict(program, n, architecture="aarch64") for name, n in FORBIDDEN_ARM.items()}
    assert refused == dict.fromkeys(FORBIDDEN_ARM, errno.EPERM)


def test_what_reaches_out_is_refused(intel):
    refused = {name: verdict(seccomp_filter(), number) for name, number in FORBIDDEN_INTEL.items()}
    assert refused == dict.fromkeys(FORBIDDEN_INTEL, errno.EPERM)


def test_threads_but_no_processes(intel):
    thread, fork, namespace = 0x3D0F00, 17, 0x10000000 | 17
    assert verdict(seccomp_filter(), 56, thread) == ALLOW
    assert verdict(seccomp_filter(), 56, fork) == errno.EPERM
    tests = seccomp_filter(processes=True)
    assert verdict(tests, 56, fork) == ALLOW and verdict(tests, 57) == ALLOW
    assert verdict(tests, 56, namespace) == errno.EPERM
    # The newer call hides its flags behind a pointer; this error makes libc use the older one.
    assert verdict(tests, 435) == errno.ENOSYS


def test_signals_go_to_the_process_itself(intel):
    program = seccomp_filter(only_signal=2)
    assert verdict(program, 234, 2, 2, 6) == ALLOW  # abort()
    assert verdict(program, 234, 1, 1, 6) == errno.EPERM
    assert [verdict(program, 234, 2, 2, signal) for signal in (9, 19)] == [errno.EPERM, errno.EPERM]


def test_arguments_are_looked_at(intel):
    program = seccomp_filter()
    assert verdict(program, 53, 1) == ALLOW and verdict(program, 53, 2) == errno.EPERM  # socketpair: Unix, internet
    assert verdict(program, 302, 0) == ALLOW and verdict(program, 302, 1) == errno.EPERM  # prlimit: own, another's
    assert (
        verdict(program, 16, 0, 0x5401) == ALLOW and verdict(program, 16, 0, 0x5412) == errno.EPERM
    )  # ioctl: TCGETS, TIOCSTI


def test_execve_only_where_an_interpreter_is_still_to_be_started(intel):
    assert verdict(seccomp_filter(execute=True), 59) == ALLOW


def test_other_tables_are_closed(intel):
    assert verdict(seccomp_filter(), 0, architecture="aarch64") == KILL
    assert verdict(seccomp_filter(), 0x40000000 + 57) == errno.ENOSYS
    assert verdict(seccomp_filter(), 9999) == errno.ENOSYS


def test_no_list_for_other_machines(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    with pytest.raises(OSError, match=r"no list of system calls for s390x; known: x86_64, aarch64"):
        seccomp_filter()


def test_every_row_of_the_table_has_a_name_and_two_numbers():
    rows = [entry.split() for entry in seccomp._TABLE.replace("\n", "|").split("|") if entry]
    assert all(len(row) == 3 and all(part == "-" or part.isdigit() for part in row[1:]) for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
