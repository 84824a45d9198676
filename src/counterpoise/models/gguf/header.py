"""The header of a GGUF file: fields and tensors, every length checked against the file, so that a damaged one is an error and never a wait.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from counterpoise.errors import ModelError
from counterpoise.files import open_regular

__all__ = ["QUANTISATIONS", "Header", "TensorInfo", "file_sha256", "is_gguf", "read_header"]

QUANTISATIONS: Final[Mapping[int, tuple[str, int, int]]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    20: ("IQ4_NL", 32, 18),
    23: ("IQ4_XS", 256, 136),
    30: ("BF16", 1, 2),
    39: ("MXFP4", 32, 17),
}
"""What is dequantised: id -> name, values in a block, bytes of a block."""

_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_DIMENSIONS = 4
_ALIGNMENT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """Where one tensor lies."""

    name: str
    """Its name, e.g. `blk.0.attn_q.weight`."""
    shape: tuple[int, ...]
    """As torch has it: the dimension that lies together is the last."""
    kind: int
    """Id of its quantisation."""
    start: int
    """First byte in the file."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says before its weights."""

    path: Path
    """The file."""
    fields: Mapping[str, Any]
    """Values by name: numbers, truth values, texts, lists of them."""
    tensors: Mapping[str, TensorInfo]
    """By name, in the file's order."""

    @property
    def architecture(self) -> str:
        """`general.architecture`, empty where it is not said."""
        return str(self.fields.get("general.architecture", ""))

    def refuse(self, why: str) -> ModelError:
        """The complaint about this file."""
        return ModelError(f"{self.path}: {why}")


def is_gguf(name: str | Path) -> bool:
    """Whether a model's name means a GGUF file."""
    return str(name).lower().endswith(".gguf")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, computed once for each state of it."""
    state = path.stat()
    return _sha256(str(path.absolute()), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _sha256(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_header(path: Path) -> Header:
    """Read and check the header; the weights are not read.

    Raises:
        ModelError: the file is none, cut short, damaged, of a version, byte order or quantisation that is not read, or one of several
            parts.
    """
    try:
        with open_regular(path) as handle:
            if handle.seek(0, 2) < 24:
                raise ModelError(f"{path} is no GGUF file: it has fewer than 24 bytes; download it again")
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(path, data).header()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


class _Reader:
    """Walks through the header, and never past the end."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path, self._data, self._at, self._end = path, data, 0, len(data)

    def header(self) -> Header:
        if self._data[:4] != b"GGUF":
            raise ModelError(f"{self._path} is no GGUF file: it does not begin with the word GGUF; download it again")
        self._at = 4
        version = self._number("<I")
        if version not in (2, 3):
            order = " (big-endian)" if version in (2 << 24, 3 << 24) else ""
            raise self._refuse(f"is GGUF of version {version}{order}, and versions 2 and 3 are read; convert it again")
        tensors, fields = self._number("<Q"), self._number("<Q")
        values = {self._text(): self._value(self._number("<I")) for _ in self._times(fields, 13)}
        found = [self._tensor() for _ in self._times(tensors, 24)]
        if values.get("split.count", 1) not in (0, 1):
            raise self._refuse(
                f"is one of {values['split.count']} parts; join them first: llama-gguf-split --merge FIRST_PART WHOLE.gguf"
            )
        alignment = values.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise self._refuse(f"is damaged: general.alignment is {alignment!r}; download it again")
        begin = -(-self._at // alignment) * alignment
        placed = {name: self._placed(name, shape, kind, begin + offset) for name, shape, kind, offset in found}
        return Header(path=self._path, fields=values, tensors=placed)

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name, count = self._text(), self._number("<I")
        if not 0 < count <= _DIMENSIONS:
            raise self._refuse(f"is damaged: tensor {name[:80]!r} has {count} dimensions; download it again")
        shape = tuple(reversed([self._number("<Q") for _ in range(count)]))
        return name, shape, self._number("<I"), self._number("<Q")

    def _placed(self, name: str, shape: tuple[int, ...], kind: int, start: int) -> TensorInfo:
        if kind not in QUANTISATIONS:
            known = ", ".join(label for label, _, _ in QUANTISATIONS.values())
            raise self._refuse(
                f"holds {name[:80]} in a quantisation that is not read (ggml type {kind}); what is read: {known}. Take another file of "
                "the model, e.g. its Q8_0"
            )
        label, block, bytes_of = QUANTISATIONS[kind]
        if shape[-1] % block:
            raise self._refuse(f"is damaged: {name[:80]} has rows of {shape[-1]} values in {label}; download it again")
        size = math.prod(shape) // block * bytes_of
        if start + size > self._end:
            raise self._cut(f"its weights end at byte {start + size:,} or later")
        return TensorInfo(name=name, shape=shape, kind=kind, start=start, size=size)

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._number(self._format(kind))
        inner, count = self._number("<I"), self._number("<Q")
        if inner == _STRING:
            return [self._text() for _ in self._times(count, 8)]
        single = self._format(inner)
        raw = self._take(count * struct.calcsize(single))
        return [value for (value,) in struct.iter_unpack(single, raw)]

    def _format(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise self._refuse(f"is damaged: a field is of kind {kind}, which there is not; download it again")
        return _SCALARS[kind]

    def _times(self, count: int, least: int) -> range:
        """So often, where so many things of at least `least` bytes can still be there."""
        if count * least > self._end - self._at:
            raise self._cut(f"it speaks of {count:,} entries at byte {self._at:,}")
        return range(count)

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _text(self) -> str:
        return self._take(self._number("<Q")).decode("utf-8", errors="replace")

    def _take(self, size: int) -> bytes:
        if size > self._end - self._at:
            raise self._cut(f"something of {size:,} bytes begins at byte {self._at:,}")
        self._at += size
        return self._data[self._at - size : self._at]

    def _cut(self, what: str) -> ModelError:
        return self._refuse(f"is cut short or damaged: it has {self._end:,} bytes, and {what}; download it again")

    def _refuse(self, why: str) -> ModelError:
        return ModelError(f"{self._path} {why}")
