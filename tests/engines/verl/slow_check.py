"""Verifiers of the tests that take their time: `check` sleeps, `solve` computes."""

import time


def check(response, gold):
    """Right where the response is the gold, after as long as it says: `0.5 7`."""
    seconds, _, answer = response.partition(" ")
    time.sleep(float(seconds))
    return answer == gold


def solve(response, gold):
    """As `check`, with so many seconds of processor time; it raises where it is asked to."""
    seconds, _, answer = response.partition(" ")
    if answer == "raise":
        raise ZeroDivisionError("asked for")
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        pass
    return answer == gold
