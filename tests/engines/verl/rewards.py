"""A reward function of the tests: right where the response is mostly lower-case letters; some responses nobody can score."""

import time


def compute_score(
    data_source, solution_str, ground_truth, extra_info=None, *, unscored=False, broken=False, hangs=False, **_
):
    if hangs and sum(map(ord, solution_str)) % 13 == 0:
        time.sleep(1000)
    if broken and sum(map(ord, solution_str)) % 3 == 0:
        raise ZeroDivisionError("asked for")
    letters = [letter for letter in solution_str if letter.isalpha()]
    share = sum(letter.islower() for letter in letters) / max(1, len(solution_str))
    # One in five by what it says: every response has the same length.
    scored = not (unscored and sum(map(ord, solution_str)) % 5 == 0)
    return {"score": float(share >= 0.35), "scored": scored, "lower": share}
