"""Plain values as tagged JSON: the only thing that crosses between the program under test and its tests.

A number, a text, True, False and None stand for themselves. Everything else is an array that begins with a tag: `l` list, `t` tuple,
`s` set, `z` frozenset, `d` dict (keys and values in turn), `b` bytes, `a` bytearray, `i` a large integer in hexadecimal, `c` complex,
`r` range, `n` an iterator (its items), `k` the keys of a dict, `v` its values, `y` one of Python's plain types (its name), `o` an object
that stays where it is (a number that stands for it). A subclass is flattened to its base, so that no method of the program's ever runs
where the tests are.

Both ends of a pipe use this module, the sandboxed ones with nothing of the package but this file; it imports the C halves of `json`
because `json` itself costs six milliseconds a program (it loads `re` and `enum`), and `typing` eight.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["Unsendable", "decode_value", "encode_value", "load"]

_MAX_DEPTH = 100
_MAX_ITEMS = 1_000_000
_MAX_INT = 2**53
_PLAIN = (bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)
_TYPES: dict[str, type] = {kind.__name__: kind for kind in _PLAIN}


class Unsendable(Exception):
    """A value that cannot cross: too deep, too large, or malformed on arrival."""


class _Scanner:
    """What the C scanner asks its owner for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str]

    def __init__(self) -> None:
        self.memo = {}


_scan = make_scanner(_Scanner())  # type: ignore[arg-type]


def load(text: str) -> Any:
    """The value of a JSON text that has no white space around it.

    Raises:
        Unsendable: it is none, or is nested too deeply.
    """
    try:
        value, end = _scan(text, 0)
    except (ValueError, StopIteration, RecursionError) as error:
        raise Unsendable("this is not JSON") from error
    if end != len(text):
        raise Unsendable("there is something after the JSON text")
    return value


def encode_value(value: object, keep: Callable[[object], int]) -> str:
    """Tagged JSON of `value`; an object that is not a plain value is given to `keep` and its number is sent.

    Raises:
        Unsendable: it is nested more than 100 deep or has more than a million items.
    """
    out: list[str] = []
    _Encoder(out.append, keep).write(value, 0)
    return "".join(out)


class _Encoder:
    def __init__(self, put: Callable[[str], None], keep: Callable[[object], int]) -> None:
        self.put, self.keep, self.items = put, keep, 0

    def write(self, value: object, depth: int) -> None:
        self.items += 1
        if depth > _MAX_DEPTH:
            raise Unsendable(f"a value is nested more than {_MAX_DEPTH} deep")
        if self.items > _MAX_ITEMS:
            raise Unsendable(f"a value has more than {_MAX_ITEMS} items")
        put = self.put
        if value is None:
            put("null")
        elif value is True or value is False:
            put("true" if value else "false")
        elif isinstance(value, int):
            number = int.__int__(value)
            put(repr(number) if -_MAX_INT < number < _MAX_INT else f'["i","{hex(number)}"]')
        elif isinstance(value, float):
            put(_float(float.__float__(value)))
        elif isinstance(value, str):
            put(encode_basestring_ascii(str.__str__(value)))
        elif isinstance(value, complex):
            real, imaginary = (
                complex.real.__get__(value),
                complex.imag.__get__(value),
            )
            put(f'["c",{_float(real)},{_float(imaginary)}]')
        elif isinstance(value, (bytes, bytearray)):
            tag, base = ("b", bytes) if isinstance(value, bytes) else ("a", bytearray)
            put(f'["{tag}","{base.hex(value)}"]')  # type: ignore[arg-type]
        else:
            self._write_container(value, depth + 1)

    def _write_container(self, value: object, depth: int) -> None:
        if isinstance(value, list):
            self._sequence("l", list.__iter__(value), depth)
        elif isinstance(value, tuple):
            self._sequence("t", tuple.__iter__(value), depth)
        elif isinstance(value, dict):
            self._sequence("d", (part for pair in dict.items(value) for part in pair), depth)
        elif isinstance(value, set):
            self._sequence("s", set.__iter__(value), depth)
        elif isinstance(value, frozenset):
            self._sequence("z", frozenset.__iter__(value), depth)
        elif isinstance(value, range):
            self._sequence("r", iter((value.start, value.stop, value.step)), depth)
        elif isinstance(value, type({}.keys())):
            self._sequence("k", iter(value), depth)
        elif isinstance(value, type({}.values())):
            self._sequence("v", iter(value), depth)
        elif type(value) is type and value in _TYPES.values():
            self.put(f'["y","{type.__dict__["__name__"].__get__(value)}"]')
        elif getattr(type(value), "__next__", None) is not None:
            self._sequence("n", value, depth)  # type: ignore[arg-type]
        else:
            self.put(f'["o",{self.keep(value)}]')

    def _sequence(self, tag: str, items: Iterable[object], depth: int) -> None:
        self.put(f'["{tag}"')
        for item in items:
            self.put(",")
            self.write(item, depth)
        self.put("]")


def _float(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


def decode_value(value: Any, find: Callable[[int], object]) -> Any:
    """The value behind what `load` returned; `find` gives the object that a number stands for.

    Raises:
        Unsendable: the tags make no sense.
    """
    try:
        return _decode(value, find, 0)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, RecursionError) as error:
        raise Unsendable(f"malformed value: {type(error).__name__}") from error


def _decode(value: Any, find: Callable[[int], object], depth: int) -> Any:
    if type(value) is not list:
        if type(value) is dict:
            raise ValueError("an object")
        return value
    if depth > _MAX_DEPTH:
        raise ValueError("too deep")
    tag = value[0]
    if tag == "i":
        return int(value[1], 16)
    if tag == "c":
        return complex(float(value[1]), float(value[2]))
    if tag == "b":
        return bytes.fromhex(value[1])
    if tag == "a":
        return bytearray.fromhex(value[1])
    if tag == "y":
        return _TYPES[value[1]]
    if tag == "o":
        return find(int(value[1]))
    items = [_decode(item, find, depth + 1) for item in value[1:]]
    return _CONTAINERS[tag](items)


def _dictionary(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


_CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "l": lambda items: items,
    "t": tuple,
    "s": set,
    "z": frozenset,
    "d": _dictionary,
    "r": lambda items: range(*items),
    "n": iter,
    "k": lambda items: dict.fromkeys(items).keys(),
    "v": lambda items: dict(enumerate(items)).values(),
}
