# Endless bytes to whoever listens, without a line's end.
import os


def solve(n):
    while True:
        os.write(3, b'x' * 65536)
