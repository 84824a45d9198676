# Children by the thousand.
import subprocess
import sys


def solve(n):
    while True:
        try:
            subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])
        except OSError:
            return -1
