# An answer of half a gigabyte.
def solve(n):
    return 'x' * (1 << 29)
