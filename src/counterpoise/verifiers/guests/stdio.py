"""Programs that read standard input and write standard output.

The comparison is made outside: what is expected never enters the sandbox.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from types import MappingProxyType
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from counterpoise.settings import settings
from counterpoise.types import Judgement, VerdictValue
from counterpoise.verifiers.guests.confined import Confined
from counterpoise.verifiers.guests.programs import Megabytes, Seconds
from counterpoise.verifiers.isolate.pool import unscored
from counterpoise.verifiers.sandbox.job import Script
from counterpoise.verifiers.sandbox.levels import discard_sandbox, thread_sandbox
from counterpoise.verifiers.sandbox.limits import Limits
from counterpoise.verifiers.sandbox.process import SandboxFault

__all__ = ["StdioVerifier", "same_output"]


@settings("verifier stdio")
class StdioVerifier(Confined):
    """CORRECT when a program prints what is expected for every input and ends with exit code 0; the part `tests_passed` is the share.

    The gold is JSON with `inputs` and `outputs`, lists of texts. Each input is a run of its own in a fresh sandbox. After the first run
    that uses up its time the others are not made and count as not passed.

    Raises:
        ConfigError: a setting out of range. VerifierError: programs cannot be confined here.
    """

    name: ClassVar[str] = "stdio"

    seconds: Seconds = 6
    """Of a program's own time for one input, whatever limit the problem names: those are for compiled languages."""
    memory_mb: Megabytes = 1024
    """Mebibytes of address space of a program."""
    max_cases: Annotated[int, Ge(1), Le(10_000)] = 24
    """Inputs that are tried at most, the first ones."""
    unsafe: bool = False
    """Accept resource limits alone where nothing better works."""

    @property
    def deadline(self) -> float:
        """Seconds after which the pool gives up: twice what every input's whole limit takes."""
        return 60.0 + 2.0 * self.max_cases * (self.seconds + 1)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Run the program on every input. Starts processes; a gold that cannot be read is UNSCORED."""
        cases = _read(gold)
        if isinstance(cases, str):
            return Judgement(value=VerdictValue.UNSCORED, basis="gold", reason=f"unparsable gold: {cases}")
        cases = cases[: self.max_cases]
        limits = self._limits()
        passed, rule = 0, "output"
        for data, expected in cases:
            script = self._run(answer, data, limits)
            if script.fault is not None:
                return unscored(script.fault)
            right = script.basis == "ended" and same_output(expected, script.output)
            passed += right
            if not right and rule == "output" and script.basis != "ended":
                rule = script.basis
            if script.basis == "time_limit":
                break
        return Judgement(
            value=VerdictValue.CORRECT if passed == len(cases) else VerdictValue.WRONG,
            basis=rule,
            parts=MappingProxyType({"tests_passed": passed / len(cases)}),
        )

    def _limit_words(self) -> str:
        return f"{self.seconds}s+{self.memory_mb}MB+{self.max_cases}"

    def _run(self, program: str, data: str, limits: Limits) -> Script:
        fault = ""
        for _ in range(2):
            try:
                return thread_sandbox(unsafe=self.unsafe).run(program, data.encode("utf-8", "replace"), limits)
            except SandboxFault as error:
                fault = str(error)
                discard_sandbox(unsafe=self.unsafe)
        return Script(basis="none", fault=f"sandbox: {fault}")


def same_output(expected: str, output: bytes) -> bool:
    """Equality up to white space at the ends of lines and empty lines at the end; else token by token, where a number with a point
    or an exponent may differ by `1e-6 max(1, |expected|)`.
    """
    text = output.decode("utf-8", "replace")
    left, right = ([line.rstrip() for line in side.rstrip().split("\n")] for side in (expected, text))
    if left == right:
        return True
    pairs = zip_longest(left, right, fillvalue="")
    return len(left) == len(right) and all(_same_line(a, b) for a, b in pairs)


def _same_line(expected: str, line: str) -> bool:
    left, right = expected.split(), line.split()
    return len(left) == len(right) and all(a == b or _close(a, b) for a, b in zip(left, right, strict=True))


def _close(expected: str, token: str) -> bool:
    if not any(mark in expected for mark in ".eE") or "_" in expected + token:
        return False
    try:
        gold, value = float(expected), float(token)
    except ValueError:
        return False
    return abs(gold - value) <= 1e-6 * max(1.0, abs(gold))


def _read(gold: str) -> list[tuple[str, str]] | str:
    """Pairs of input and expected output, or what is wrong with the gold."""
    try:
        value = json.loads(gold)
        pairs = list(zip(value["inputs"], value["outputs"], strict=True))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return f"expected an object with 'inputs' and 'outputs' of equal length ({type(error).__name__}: {error})"
    if not pairs or not all(isinstance(side, str) for pair in pairs for side in pair):
        return "'inputs' and 'outputs' must be lists of texts, at least one"
    return pairs
