"""Running programs that a model wrote.

Two processes, neither of which trusts the other: the program, and the tests (`examiner`), which call it through a supervisor in plain
values. The verdict is the tests' alone. Tasks on standard input and output have no second process: the expected output never enters
the sandbox.

Levels, best first; `levels.best_level` finds out which works by running a program that tries to get out:

- `bwrap`: bubblewrap with every namespace unshared: no network, no other process, no `/proc`, a read-only root with the interpreter's
  own files and nothing else, 16 MiB of `/tmp`; no capability, no further user namespace; and the next level's system call filter.
- `landlock+seccomp`: no file but the interpreter's can be read and none written; a list of permitted system calls, without fork,
  exec, socket, kill and ptrace. File names and sizes outside can still be asked for, and nothing at all can be written.
- `rlimits`: resource limits alone. Refused unless `unsafe` is given.

At every level: limits on processor time, memory, file size, open files and threads (soft = hard), an unprivileged user when root, caps
on every pipe, deadlines by a monotonic clock, and everything is killed and reaped when a program's turn is over. At the first two levels
a program cannot start another process, so there are no fork bombs and no daemons. A program starts from nothing every time.

Not covered:

- bugs of the kernel, of bubblewrap and of the processor (side channels, Rowhammer); for hostile humans use a virtual machine;
- guessing: a program may know a benchmark's answers by heart, or take the values it is asked with for a hint;
- tests that a wrong program passes, and tests that are themselves random;
- a program's own random numbers and clock: the hash seed is fixed, other sources of chance are not;
- changes that a function makes to its arguments: they cross by value, and the tests do not see them;
- memory beyond one process: the limit is on address space, and two programs at a time take twice as much;
- harm by the *tests*: they run in a sandbox too, but a program's tests stay in one process tree with the next program's;
- third-party packages: a program has the standard library only.
"""
