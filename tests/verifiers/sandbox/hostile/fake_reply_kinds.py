# Answers that are no answers.
import os

replies = [b'["l","returned"]', b'["l","returned",9,9]', b'["l","passed",9]', b'null', b'["d",9]', b'{"l":9}', b'["l",["o",0]]', b'\xff\xfe']


def solve(n):
    os.write(3, replies[n % len(replies)] + b'\n')
    os._exit(0)
