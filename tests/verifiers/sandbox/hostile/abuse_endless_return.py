# An answer without end.
import itertools


def solve(n):
    return map(str, itertools.count())
