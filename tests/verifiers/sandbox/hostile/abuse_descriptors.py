# Every descriptor there is.
import os


def solve(n):
    while True:
        os.open('/dev/null', os.O_RDONLY)
