import os
import signal

import pytest

from counterpoise.engines.local.observer import Silent
from counterpoise.types import Verdict, VerdictValue


@pytest.fixture
def stop_after():
    """`stop_after(2)`: an observer that sends the process the signal of Ctrl-C after step 2."""
    return _StopAfter


class _StopAfter(Silent):
    """Sends the process the signal of Ctrl-C after a step."""

    def __init__(self, step):
        self.step = step

    def stepped(self, step, record):
        if step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def judged(judge_with):
    """Verdicts by the rollout's place in the step, whatever the policy said."""

    def judge(right, scored=lambda row: True):
        def verify(self, problems, responses, truncated=None):
            rest = {"answer": None, "basis": "by its place", "seconds": 0.0, "verifier": "countdown", "version": "0"}
            values = [
                (VerdictValue.CORRECT if right(row) else VerdictValue.WRONG) if scored(row) else VerdictValue.UNSCORED
                for row in range(len(responses))
            ]
            reasons = [None if value is not VerdictValue.UNSCORED else "asked for" for value in values]
            return [Verdict(value=value, reason=why, **rest) for value, why in zip(values, reasons, strict=True)]

        judge_with(verify)

    return judge
