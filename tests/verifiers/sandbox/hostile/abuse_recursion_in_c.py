# A crash of the interpreter itself.
import ctypes


def solve(n):
    return ctypes.string_at(0)
