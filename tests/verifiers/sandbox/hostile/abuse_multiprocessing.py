# A pool of workers that never end.
import multiprocessing
import time


def solve(n):
    with multiprocessing.Pool(64) as pool:
        pool.map(time.sleep, [1000] * 64)
    return n * n
