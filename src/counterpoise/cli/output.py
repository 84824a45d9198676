"""The two streams that everything is printed on: writing to them never raises, and no text of others commands the terminal.

`Stream` stands between the program and a standard stream. What cannot be written (a full disk, a closed pipe, a lost terminal) is noted
once and then dropped, so that printing ends no work; characters that the encoding lacks become escapes; and of control sequences only those
pass that colours and moving bars are made of. `Screen` is the rich console on top of it, in which text is text: no markup, no emoji
codes, and every control character of it is shown instead of sent.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from counterpoise.text import visible

__all__ = ["Screen", "Stream", "guarded_streams", "lost"]

_OURS = re.compile(r"(\x1b\[[0-9;]*m|\x1b\[[0-9]*[ABCDGK]|\x1b\[H|\x1b\[\?(?:25|1049)[hl])")
"""Colour; cursor up, down, right, left, to a column; clear the line; home; cursor and alternate screen on and off."""


class Stream:
    """A text stream whose `write` and `flush` never raise; everything else is the stream's own."""

    def __init__(self, stream: Any, *, styled: bool | None = None) -> None:
        """Guard `stream`, which is None where the process was started without it; `styled` lets our own sequences pass: on a terminal."""
        self.stream = stream
        self.lost: OSError | None = None
        """Why the first text that could not be written was not."""
        self._styled = styled

    def write(self, text: str) -> int:
        """Write what is fit to be seen; the length of `text`, as of a stream that took it."""
        self._try("write", _harmless(text, styled=self._is_styled()))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is held back."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether somebody sits before it."""
        try:
            return bool(self.stream is not None and self.stream.isatty())
        except ValueError:  # it was closed
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _is_styled(self) -> bool:
        if self._styled is None:
            # What rich takes for a terminal is one: FORCE_COLOR makes a pipe one.
            self._styled = self.isatty() or os.environ.get("FORCE_COLOR", "") != ""
        return self._styled

    def _try(self, method: str, *given: str) -> None:
        if self.lost is not None:
            return
        if self.stream is None:
            self.lost = OSError(errno.EBADF, "it was closed from the start")
            return
        try:
            call = getattr(self.stream, method)
            try:
                call(*given)
            except UnicodeEncodeError:
                encoding = getattr(self.stream, "encoding", None) or "ascii"
                call(*(text.encode(encoding, "backslashreplace").decode(encoding) for text in given))
        except RuntimeError:
            # A signal's handler that prints while a print is under way: that one text is dropped.
            return
        except (OSError, ValueError) as error:
            # ValueError: the stream was closed by somebody in this process.
            self.lost = error if isinstance(error, OSError) else OSError(errno.EBADF, str(error))
            self._silence()

    def _silence(self) -> None:
        """Send what the stream still holds to nowhere, or the interpreter would complain of it when it ends."""
        if self.stream not in (sys.__stdout__, sys.__stderr__):
            return
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)


def _harmless(text: str, *, styled: bool) -> str:
    if text.isprintable():
        return text
    parts = _OURS.split(text) if styled else [text]
    # Every other part is one of our sequences. A bar of another library goes back to the beginning of its line.
    return "".join(part if place % 2 else "\r".join(map(visible, part.split("\r"))) for place, part in enumerate(parts))


class Screen(Console):
    """A console that prints text as text: markup, emoji codes, links and control characters in it are shown, not obeyed."""

    def __init__(self, *, stderr: bool) -> None:
        """Print to standard error, or to standard output."""
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    @property
    def file(self) -> IO[str]:
        """The stream as it is now, guarded."""
        stream: Any = sys.stderr if self.stderr else sys.stdout
        stream = getattr(stream, "rich_proxied_file", stream)
        if not isinstance(stream, Stream):
            stream = _guarded(self, stream)
        return cast("IO[str]", stream)

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        raise NotImplementedError("this console prints on a standard stream")

    def render_str(self, text: str, **given: Any) -> Text:
        """The text as rich measures and prints it: a cell of a table is as wide as what is shown of it."""
        return super().render_str(visible(text), **given)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Render with rich, with every control character in its text made visible."""
        for segment in super().render(renderable, options):
            if segment.control is None and not segment.text.isprintable():
                yield Segment(visible(segment.text), segment.style)
            else:
                yield segment


_GUARDS: dict[bool, Stream] = {}


def _guarded(screen: Screen, stream: Any) -> Stream:
    """The guard of a stream outside of `guarded_streams`, as under a test."""
    held = _GUARDS.get(screen.stderr)
    if held is None or held.stream is not stream:
        held = _GUARDS[screen.stderr] = Stream(stream)
    return held


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Put a guard before the standard streams for the length of the block, for all that prints on them, other libraries included."""
    # A descriptor of a standard stream that is closed would be given to the next file, and what is printed would go into it.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("Any", Stream(stream)) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def lost(name: str) -> OSError | None:
    """Why standard output (`stdout`) or standard error (`stderr`) takes nothing any more; None while it does."""
    stream = getattr(sys, name)
    stream = getattr(stream, "rich_proxied_file", stream)
    if not isinstance(stream, Stream):
        stream = _GUARDS.get(name == "stderr")
    return None if stream is None else stream.lost
