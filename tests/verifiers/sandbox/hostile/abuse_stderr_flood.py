# Endless complaints.
import sys


def solve(n):
    while True:
        sys.stderr.write('x' * 10000)
