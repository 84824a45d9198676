"""What can be graded of any response, whatever its verifier: whether it kept to the asked form, and how short it is."""

from __future__ import annotations

import dataclasses

from counterpoise.types import Basis, Verdict

__all__ = ["BREVITY", "FORMAT", "with_response_parts"]

FORMAT = "format"
"""1 where the answer stood in a form that can be asked for (a box, tags, a `####` line, a closed code fence), 0 where it had to be
looked for."""

BREVITY = "brevity"
"""`1 - tokens / limit`: 0 for a response as long as allowed."""

_ASKED_FORMS = ("boxed", "tagged", "hash", "fence")


def with_response_parts(verdict: Verdict, *, length: float) -> Verdict:
    """The verdict with the parts `format` and `brevity` beside its verifier's own, which come first where names collide.

    Args:
        verdict: its basis says what the answer was found by (`Basis`).
        length: response tokens as a share of the limit, in [0, 1].
    """
    form = float(Basis.read(verdict.basis).found_by in _ASKED_FORMS)
    return dataclasses.replace(verdict, parts={FORMAT: form, BREVITY: 1.0 - length, **verdict.parts})
