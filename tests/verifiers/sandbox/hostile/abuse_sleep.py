# It waits.
import time


def solve(n):
    time.sleep(10**8)
