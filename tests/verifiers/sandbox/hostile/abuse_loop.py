# It does not end.
def solve(n):
    while True:
        pass
