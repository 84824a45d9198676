"""Killable workers: a job that hangs, dies or eats the memory costs itself and nothing else.

Workers are started fresh (spawn), never forked, because a fork of a process in which torch runs threads can deadlock; and unlike
plain `multiprocessing` they do not import the program's `__main__`, so a script without a main guard is not run a second time.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import resource
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from counterpoise.errors import UsageError, VerifierError
from counterpoise.types import Judgement, VerdictValue, Verifier
from counterpoise.verifiers.isolate.fault import Fault, explain_exit, fault_of_error, fault_of_exit
from counterpoise.verifiers.isolate.feed import Feed
from counterpoise.verifiers.isolate.spawning import SpawnWithoutMain

if TYPE_CHECKING:
    from pebble import ProcessPool

__all__ = ["Job", "Outcome", "Prepared", "Timed", "VerifierPool", "unscored"]

_MAX_RESTARTS = 3
_MAX_START = 300.0
_ORPHAN_GRACE = 10.0
_OPEN: weakref.WeakSet[VerifierPool] = weakref.WeakSet()
_Answer = tuple[str, str, str | None, dict[str, float], float, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One comparison."""

    verifier: Verifier
    """Its class must live in an importable module, because the worker imports it."""
    gold: str
    """What the answer is compared with."""
    answer: str
    """Text of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a job."""

    judgement: Judgement
    """UNSCORED with reason `timeout…`, `crash…`, `memory…` when the job failed."""
    seconds: float
    """Wall time in the worker; the time-out itself where it expired, 0 where it is unknown."""
    fault: Fault | None = None
    """Why there is no judgement; None when the verifier gave one, UNSCORED ones included."""


@runtime_checkable
class Prepared(Protocol):
    """An isolated verifier that needs something slow to load."""

    @property
    def prepares(self) -> str | Callable[[], object]:
        """Module whose `prepare()` a worker calls before its first job, or what it calls itself (hashable, picklable)."""
        ...


@runtime_checkable
class Timed(Protocol):
    """An isolated verifier with deadlines of its own, which the pool's must not cut short."""

    @property
    def deadline(self) -> float:
        """Seconds for one job; takes the place of the pool's time-out."""
        ...


class VerifierPool:
    """Judges jobs in worker processes; a context manager, started by its first job.

    Args:
        workers: processes.
        timeout: seconds of processor time a job may take, imports not counted, after which the kernel ends the worker; the clock ends it
            `patience` times as late (checked ten times a second). A `Timed` verifier names its own.
        memory_mb: mebibytes of address space a worker may take beyond what it needs to start.
        max_tasks: jobs after which a worker is replaced, against leaks.
        prepare: modules whose `prepare()` a worker calls before its first job, so that no deadline runs while they load. Those of
            `Prepared` verifiers join them when such a job comes; workers that run already are then replaced.

    Raises:
        UsageError: an argument out of range, or a verifier whose class a worker cannot import.
        VerifierError: workers cannot be started at all.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        timeout: float = 5.0,
        memory_mb: int = 1024,
        max_tasks: int = 2000,
        prepare: Sequence[str] = ("counterpoise.verifiers.compare.symbolic",),
    ) -> None:
        for name, value, least in (
            ("workers", workers, 1),
            ("timeout", timeout, 0.1),
            ("memory_mb", memory_mb, 64),
            ("max_tasks", max_tasks, 1),
        ):
            if not value >= least:
                raise UsageError(f"the verifier pool was given {name} = {value}; it must be at least {least}")
        self._workers, self._timeout, self._memory_mb, self._max_tasks = workers, timeout, memory_mb, max_tasks
        self._prepare: tuple[str | Callable[[], object], ...] = tuple(prepare)
        self._pool: ProcessPool | None = None
        self._context: SpawnWithoutMain | None = None
        self._ended: Future[None] = Future()  # waited for with the jobs: an ended pool may say nothing of them
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the workers; safe to call twice. What is being judged in another thread ends there with the error of a closed pool."""
        with self._lock:
            if not self._ended.done():
                self._ended.set_result(None)
        self._discard()

    def judge(self, jobs: Sequence[Job], *, patience: float = 1.0) -> list[Outcome]:
        """The outcome of every job, in order. Never raises for what a job does; a few jobs per worker are in flight at a time.

        A job may take its deadline of processor time, and `patience` times as long by the clock.
        """
        return self.follow(Feed(jobs), patience=patience)

    def follow(self, feed: Feed[Job], *, patience: float = 1.0) -> list[Outcome]:
        """`judge` for jobs that come in while others run: it begins with the first and ends with the last once the feed is closed.

        One thread at a time. A feed that is cancelled ends it at once, and the workers that are at a job with it.

        Raises:
            UsageError: the pool is closed, or was while jobs were left or could still come.
        """
        jobs: list[Job] = []
        outcomes: dict[int, Outcome] = {}
        waiting: deque[int] = deque()
        running: dict[Future[_Answer], int] = {}
        restarts, longest, more = 0, 0.0, True
        try:
            while True:
                new, more = feed.take()
                if feed.cancelled or not (new or more or waiting or running):
                    break
                self._check_open()
                if self._load(new):
                    waiting.extend(running.values())
                    running.clear()
                waiting.extend(range(len(jobs), len(jobs) + len(new)))
                jobs += new
                longest = max([longest, *(patience * self._deadline(job) for job in new)])
                while waiting and len(running) < 4 * self._workers:
                    index = waiting.popleft()
                    try:
                        running[self._schedule(jobs[index], patience)] = index
                    except RuntimeError:
                        waiting.appendleft(index)
                        break
                # Workers that neither answer nor are killed by their deadline are a fault of the pool, not of a job.
                patient = 2 * longest + _MAX_START if running else None
                # A closed feed has news, too: that it is cancelled.
                done = set() if waiting and not running else _first_of({*running, feed.news, self._ended}, patient)
                if self._ended.done():  # what became of the jobs is the closing's doing
                    continue
                broken = not done
                for future in done & running.keys():
                    index = running.pop(future)
                    outcome = self._outcome(future, self._deadline(jobs[index]), patience)
                    if outcome is None:
                        waiting.append(index)
                        broken = True
                    else:
                        outcomes[index] = outcome
                        restarts = 0
                if broken:
                    waiting.extend(running.values())
                    running.clear()
                    self._discard()
                    restarts += 1
                    if restarts > _MAX_RESTARTS:
                        raise VerifierError(
                            f"verifier workers die as soon as they start ({restarts} attempts in a row); "
                            f"is memory_mb = {self._memory_mb} too little, or the machine out of memory or processes?"
                        )
        finally:
            for future in running:
                future.cancel()
        return [outcomes[index] for index in sorted(outcomes)]

    def _load(self, jobs: Sequence[Job]) -> bool:
        """Whether workers that ran were ended, because these jobs need something loaded that those did not have."""
        for job in jobs:
            if type(job.verifier).__module__ == "__main__":
                raise UsageError(
                    f"the verifier class {type(job.verifier).__name__} is defined in the script that is running, which a worker cannot "
                    "import; move it into a module"
                )
        wanted = {job.verifier.prepares for job in jobs if isinstance(job.verifier, Prepared)}
        missing = sorted(wanted - set(self._prepare), key=str)
        if missing:
            self._prepare += tuple(missing)
            self._discard()
        return bool(missing)

    def _deadline(self, job: Job) -> float:
        return job.verifier.deadline if isinstance(job.verifier, Timed) else self._timeout

    def _schedule(self, job: Job, patience: float) -> Future[_Answer]:
        from pebble import ProcessPool

        deadline = self._deadline(job)
        with self._lock:
            self._check_open()
            if self._pool is None:
                _OPEN.add(self)
                self._context = SpawnWithoutMain()
                self._pool = ProcessPool(
                    max_workers=self._workers,
                    max_tasks=self._max_tasks,
                    initializer=_initialise,
                    initargs=(self._memory_mb, self._prepare),
                    context=self._context,
                )
            future: Future[_Answer] = self._pool.schedule(
                _run, args=(job.verifier, job.gold, job.answer, deadline, patience), timeout=patience * deadline
            )
            return future

    def _check_open(self) -> None:
        if self._ended.done():
            raise UsageError("the verifier pool is closed; make a new one")

    def _outcome(self, future: Future[_Answer], deadline: float, patience: float) -> Outcome | None:
        """None when the pool broke under the job and it has to be run again."""
        from pebble import ProcessExpired

        try:
            value, rule, reason, parts, seconds, fault = future.result()
        except TimeoutError:
            seconds = patience * deadline
            return Outcome(judgement=unscored(f"timeout: {seconds:g} s"), seconds=seconds, fault=Fault.OUTSIDE)
        except ProcessExpired as error:
            return Outcome(
                judgement=unscored(explain_exit(error.exitcode, deadline)),
                seconds=0.0,
                fault=fault_of_exit(error.exitcode),
            )
        except BrokenExecutor:
            return None
        except Exception as error:  # e.g. a verifier that cannot be pickled
            return Outcome(
                judgement=unscored(f"crash: {type(error).__name__}: {error}"), seconds=0.0, fault=Fault.OUTSIDE
            )
        return Outcome(
            judgement=Judgement(value=VerdictValue(value), basis=rule, reason=reason, parts=parts),
            seconds=seconds,
            fault=None if fault is None else Fault(fault),
        )

    def _discard(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
            context, self._context = self._context, None
        if pool is not None and context is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            context.end()
            pool.join()


def _first_of(futures: set[Future[Any]], seconds: float | None) -> set[Future[Any]]:
    """Those that are done once any is; none after so many seconds."""
    return wait(futures, timeout=seconds, return_when=FIRST_COMPLETED).done


def unscored(reason: str) -> Judgement:
    """A judgement that was not reached, in a line of at most 200 characters: a longer one keeps its end, which says where it was."""
    line = " ".join(reason.split())
    if len(line) > 200:
        line = f"{line[:137]} … {line[-60:]}"
    return Judgement(value=VerdictValue.UNSCORED, basis="none", reason=line)


def _run(verifier: Verifier, gold: str, answer: str, timeout: float, patience: float) -> _Answer:
    """In the worker: judge, and return plain values, because a judgement's read-only mapping cannot be pickled."""
    # The kernel's default action for this signal ends the process even while C code holds the interpreter's lock: a worker whose parent
    # was killed in the middle of a hung job does not stay behind for ever.
    signal.setitimer(signal.ITIMER_REAL, patience * timeout + _ORPHAN_GRACE)
    signal.setitimer(signal.ITIMER_PROF, timeout)
    start = time.perf_counter()
    fault: str | None = None
    try:
        judgement = verifier.judge(gold, answer)
    except MemoryError:
        judgement, fault = unscored("memory: the worker's limit was reached"), Fault.MEMORY.value
    except BaseException as error:  # sys.exit is one job's end too
        judgement, fault = unscored(f"crash: {type(error).__name__}: {error}"), fault_of_error(error).value
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.perf_counter() - start
    return judgement.value.value, judgement.basis, judgement.reason, dict(judgement.parts), seconds, fault


def _initialise(memory_mb: int, prepare: Sequence[str | Callable[[], object]]) -> None:
    """In the worker, before its first job: die with the parent and on SIGTERM, load what is slow to load, then cap the memory.

    What a function prints goes to standard error: standard output is the command's own, JSON among it.
    """
    with contextlib.suppress(OSError):  # closed
        os.dup2(2, 1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    for one in prepare:
        if isinstance(one, str):
            importlib.import_module(one).prepare()
        else:
            one()
    with contextlib.suppress(ValueError, OSError):  # an inherited hard limit below ours is stricter and stays
        limit = _address_space() + memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _die_with_parent() -> None:
    parent = multiprocessing.process.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)


def _address_space() -> int:
    """Bytes of address space of this process; half a gibibyte where the kernel does not tell (macOS, which ignores the limit anyway)."""
    try:
        with open("/proc/self/statm") as handle:
            return int(handle.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 2**29


@atexit.register
def _close_open_pools() -> None:
    for pool in list(_OPEN):
        pool.close()
