# An exception that a careless test swallows or does not see.
def solve(n):
    raise AssertionError
