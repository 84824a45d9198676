import os
import signal
import time

import pytest

from counterpoise.engines.local import interrupt


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_each_of_them_is_a_wish(number):
    lines = []
    before = signal.getsignal(number)
    with interrupt.watching_interrupts(lines.append) as watched:
        _send(number)
        assert (watched.wanted, watched.at_once) == (True, False)
        assert watched.check()
    assert signal.getsignal(number) is before
    assert lines == [f"{number.name}: finishing what is in progress, then saving (once more stops at once)"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_what_was_started_to_ignore_one_goes_on_ignoring_it(number):
    # nohup starts its command with SIGHUP ignored
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with interrupt.watching_interrupts(lambda line: None) as watched:
            _send(number)
            assert not watched.wanted
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_line_that_cannot_be_printed_loses_no_wish():
    def say(line):
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    with interrupt.watching_interrupts(say) as watched:
        _send(signal.SIGTERM)
        assert watched.wanted


class _Dying:
    def __init__(self, act):
        self.act = act

    def __del__(self):
        self.act()


def test_a_second_signal_in_a_destructor_is_not_lost(monkeypatch, recwarn):
    now = [100.0]
    monkeypatch.setattr(interrupt.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(interrupt, "_AGAIN_SECONDS", 0.01)
    with interrupt.watching_interrupts(lambda line: None) as watched:
        _send(signal.SIGINT)
        now[0] += 2.0
        dying = _Dying(lambda: _send(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):  # the signal is sent again while this waits
            del dying
            assert watched.at_once
            monkeypatch.undo()
            for _ in range(1000):
                time.sleep(0.01)
        with pytest.raises(KeyboardInterrupt):
            watched.check()
