import os
import signal

import pytest

from counterpoise.engines import interrupt


def _send(number):
    os.kill(os.getpid(), number)


def test_the_first_signal_is_a_wish_and_a_later_second_one_stops_at_once(monkeypatch):
    now, lines = [100.0], []
    monkeypatch.setattr(interrupt.time, "monotonic", lambda: now[0])
    before = signal.getsignal(signal.SIGINT)
    with interrupt.watching_interrupts(lines.append) as watched:
        assert not watched.wanted
        _send(signal.SIGINT)
        assert watched.wanted
        now[0] += 0.5  # a launcher passes the same Ctrl-C on
        _send(signal.SIGTERM)
        now[0] += 1.0
        with pytest.raises(KeyboardInterrupt):
            _send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert lines == ["SIGINT: finishing what is in progress, then saving (once more stops at once)"]
