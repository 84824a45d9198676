# Arithmetic that no signal interrupts.
def solve(n):
    return 9 ** 9 ** 9 ** 9
