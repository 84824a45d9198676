"""Products with weights that stay the same through a call: by MKL, or packed by oneDNN, whichever is faster for the weight and the rows."""

from __future__ import annotations

import torch

__all__ = ["Factor", "spare_rows"]

_LARGE = 2**18
"""Numbers of a weight from which on it is packed: it no longer fits a core's cache, and is not packed anew at each product."""
_ROWS = 128
"""Rows from which on oneDNN is 1.3 to 2.1 times as fast with smaller weights, too, on a processor with AVX-512 of which MKL takes AVX2."""
_BLOCK = 32
"""What such a number of rows is a multiple of: a new number costs 0.3 ms for each weight, in which a kernel is made and kept."""
_WIDE = torch.backends.cpu.get_cpu_capability().startswith("AVX512")


class Factor:
    """A module's (out, in) weight as a right factor. A small one is packed when many rows are first multiplied, and kept in both forms."""

    def __init__(self, weight: torch.Tensor, *, twice: bool) -> None:
        """Keep it.

        Args:
            weight: the module's, or made of several.
            twice: whether there is room for both forms of a smaller weight.
        """
        has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        large = weight.numel() >= _LARGE
        self._packed = _packed(weight) if has_onednn and large else None
        self._plain = None if self._packed is not None else weight
        self._later = has_onednn and twice and _WIDE

    def times(self, x: torch.Tensor) -> torch.Tensor:
        """(R, out) `x @ weight.T` of (R, in) `x`."""
        plain = self._plain
        if plain is not None and not (self._later and len(x) >= _ROWS):
            return x @ plain.t()
        if self._packed is None:
            assert plain is not None
            self._packed = _packed(plain)
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, None, "none", [], "")
        return found


def spare_rows(rows: int) -> int:
    """Rows that have ended and are kept with so many others, so that their number comes back."""
    return -rows % _BLOCK if _WIDE and rows >= _ROWS else 0


def _packed(weight: torch.Tensor) -> torch.Tensor:
    made: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
    return made
