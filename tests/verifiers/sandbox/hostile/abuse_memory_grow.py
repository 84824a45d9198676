# Memory bit by bit, and on after every refusal.
held = []


def solve(n):
    while True:
        try:
            held.append(bytearray(1 << 24))
        except MemoryError:
            pass
