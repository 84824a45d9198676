# Threads that keep every core busy.
import threading


def spin():
    while True:
        pass


for _ in range(8):
    threading.Thread(target=spin, daemon=True).start()


def solve(n):
    spin()
