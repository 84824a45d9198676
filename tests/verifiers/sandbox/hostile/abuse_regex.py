# A pattern that backtracks for ever.
import re


def solve(n):
    return re.match(r'(a+)+$', 'a' * 60 + 'b')
