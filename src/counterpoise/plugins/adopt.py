"""A foreign object in the place of one of our parts: what it has to be, checked before anything runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from counterpoise.errors import ConfigError, CounterpoiseError, TrainingError
from counterpoise.plugins.source import ForeignPart, line_of
from counterpoise.settings import adopted

__all__ = ["Shape", "call_fault", "what_is"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a kind of part has to have."""

    methods: Mapping[str, Sequence[str]]
    """Methods and what they are called with."""
    attributes: Sequence[str] = ()
    """Attributes or properties."""
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Attributes that a class need not have, with what they are then."""
    wrap: Callable[[str, ForeignPart], Callable[..., Any]] | None = None
    """Makes a part of a function that is called as `__call__` is; without it the function is the part, where that is the only method."""

    def adopt(self, kind: str, loaded: ForeignPart) -> Callable[..., Any]:
        """What makes the part from its settings: the class itself, or a maker of the function, which has none.

        Raises:
            ConfigError: the object is neither, lacks a method, or has one of another signature.
        """
        where = f"{kind} {loaded.name}"
        found = loaded.found
        if inspect.isclass(found):
            return self._class(where, found)
        if not inspect.isroutine(found):
            raise ConfigError(f"{where} is {what_is(found)}; expected {self._expected()}")
        if "__call__" not in self.methods or (self.wrap is None and (self.attributes or len(self.methods) > 1)):
            raise ConfigError(f"{where} is a function; expected {self._expected()}")
        if fault := call_fault(found, self.methods["__call__"]):
            raise ConfigError(f"{where}: {fault}")
        return self.wrap(where, loaded) if self.wrap is not None else _function(where, found, self.defaults)

    def _class(self, where: str, found: type) -> Callable[..., Any]:
        for name in (*self.methods, *self.attributes):
            # Every class has a `__call__`, that of its metaclass.
            there = any(name in vars(kind) for kind in found.__mro__)
            if not there and not (name in getattr(found, "__annotations__", {}) and name in self.attributes):
                raise ConfigError(
                    f"{where}: the class {found.__name__} has no {_shown(name, self.methods)}; expected {self._expected()}"
                )
        for name, arguments in self.methods.items():
            method = getattr(found, name)
            bound = isinstance(inspect.getattr_static(found, name), (staticmethod, classmethod))
            if fault := call_fault(method, arguments, method_of=None if bound else found):
                raise ConfigError(f"{where}: {fault}")
        return _guarded(where, adopted(where, found, self.defaults), self.methods)

    def _expected(self) -> str:
        if "__call__" in self.methods and (self.wrap is not None or not (self.attributes or len(self.methods) > 1)):
            return f"a function of ({', '.join(self.methods['__call__'])}), or a class with {self._members()}"
        return f"a class with {self._members()}"

    def _members(self) -> str:
        return ", ".join([*(_shown(name, self.methods) for name in self.methods), *self.attributes])


def call_fault(
    function: Callable[..., Any],
    arguments: Sequence[str],
    *,
    optional: Sequence[str] = (),
    method_of: type | None = None,
) -> str | None:
    """Why a function cannot be called with these positional arguments (and takes no other than the `optional` keywords); None if it can."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C, which does not tell
        return None
    given = [None] * (len(arguments) + (method_of is not None))
    known = {name: None for name in optional if name in signature.parameters}
    try:
        signature.bind(*given, **known)
    except TypeError as error:
        name = getattr(function, "__name__", "the function")
        own = f"{method_of.__name__}.{name}" if method_of is not None else name
        wanted = ", ".join([*(["self"] if method_of is not None else []), *arguments])
        also = f", *, {', '.join(optional)}" if optional else ""
        return f"{own}{signature} cannot be called with ({wanted}{also}): {error}"
    return None


def what_is(value: object) -> str:
    """What a value is, for a message."""
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} ({str(value)[:40]!r})"


def _shown(name: str, methods: Mapping[str, Sequence[str]]) -> str:
    return f"{name}({', '.join(methods[name])})" if name in methods else name


def _function(where: str, function: Callable[..., Any], defaults: Mapping[str, Any]) -> Callable[..., Any]:
    """A class without settings whose objects are called as the function is."""
    body = {"__call__": staticmethod(function), "__doc__": function.__doc__, "__module__": function.__module__}
    made: type = adopted(where, type(function.__name__, (), body), defaults)
    return _guarded(where, made, {"__call__": ()})


def _guarded(where: str, made: type, methods: Mapping[str, Sequence[str]]) -> type:
    """The class with methods whose errors say whose they are: what goes wrong in somebody else's code is not our fault."""
    for name in methods:
        static = inspect.getattr_static(made, name)
        method = getattr(made, name)
        setattr(made, name, _saying(where, method, of_class=isinstance(static, (staticmethod, classmethod))))
    return made


def _saying(where: str, method: Callable[..., Any], *, of_class: bool) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return method(*arguments, **named) if of_class else method(self, *arguments, **named)
        except CounterpoiseError:
            raise
        except Exception as error:
            file = inspect.unwrap(method).__code__.co_filename if hasattr(inspect.unwrap(method), "__code__") else ""
            raise TrainingError(f"{where} raised {type(error).__name__}: {error}{line_of(error, file)}") from error

    return call
