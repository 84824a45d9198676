# Files where devices are.
def solve(n):
    with open('/dev/filler', 'wb') as handle:
        while True:
            handle.write(b'x' * (1 << 20))
