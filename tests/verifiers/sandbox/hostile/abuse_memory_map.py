# Anonymous maps, each page touched.
import mmap

held = []


def solve(n):
    while True:
        area = mmap.mmap(-1, 1 << 28)
        for at in range(0, 1 << 28, 4096):
            area[at] = 1
        held.append(area)
