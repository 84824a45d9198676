# It waits for itself.
import threading

lock = threading.Lock()


def solve(n):
    lock.acquire()
    lock.acquire()
