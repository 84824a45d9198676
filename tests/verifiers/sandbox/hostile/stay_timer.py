# A timer that rings later.
import signal

signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)


def solve(n):
    signal.pause()
    return -1
