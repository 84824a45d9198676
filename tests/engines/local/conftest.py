import os
import signal

import pytest

from counterpoise.engines.local.observer import Silent


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
