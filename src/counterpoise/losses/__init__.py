"""Surrogates; `denominators` is the only place that divides.

Everything here is a function of plain tensors, so that any trainer can call it.
"""

from counterpoise.losses.denominators import DENOMINATORS, counts, make_divide
from counterpoise.losses.registry import LOSSES, make_loss
from counterpoise.losses.terms import needs_entropy, needs_reference, with_terms

__all__ = [
    "DENOMINATORS",
    "LOSSES",
    "counts",
    "make_divide",
    "make_loss",
    "needs_entropy",
    "needs_reference",
    "with_terms",
]
