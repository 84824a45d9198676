# One huge list.
def solve(n):
    return [0] * 10**11
