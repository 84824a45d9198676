# A program that is hard to compile.
def solve(n):
    return eval('(' * 5000 + '1' + ')' * 5000) or eval('-' * 10**6 + '1')
