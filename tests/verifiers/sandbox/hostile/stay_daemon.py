# A process that outlives its parents.
import os
import time


def solve(n):
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(10**6)
            os._exit(0)
    except OSError:
        return -1
    return n * n
