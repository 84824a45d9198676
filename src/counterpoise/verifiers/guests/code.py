"""Functions with tests: HumanEval, MBPP, and problems that call a function with given arguments."""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import Any, ClassVar

from counterpoise.settings import settings
from counterpoise.types import Judgement, VerdictValue
from counterpoise.verifiers.guests.asked import asked_names
from counterpoise.verifiers.guests.confined import Confined
from counterpoise.verifiers.guests.programs import Megabytes, Seconds, defines, first_block
from counterpoise.verifiers.isolate.pool import unscored
from counterpoise.verifiers.sandbox.job import Examined
from counterpoise.verifiers.sandbox.levels import discard_sandbox, thread_sandbox
from counterpoise.verifiers.sandbox.process import SandboxFault

__all__ = ["CodeVerifier", "whole_program"]

_KINDS = {"check": ("prompt", "entry_point", "tests"), "asserts": ("tests",), "cases": ("entry_point", "cases")}


@settings("verifier code")
class CodeVerifier(Confined):
    """CORRECT when every test passes and the program was called; the part `tests_passed` is the share that did.

    The gold is JSON with `kind`:

    - `check` (HumanEval): `prompt`, `entry_point`, `tests`, which defines `check(candidate)`;
    - `asserts` (MBPP): `tests`, statements with asserts; `setup`, run before them. The program is asked for the
      `program_names`; without them for the only name that neither they nor Python define (`verifiers.asked`);
    - `cases`: `entry_point` (a name or an expression such as `Solution().run`), `cases`, pairs of arguments and result.

    Every kind may have `preamble`, which goes before the program. One assert is one test, in a loop too; tests without asserts are one
    test together (rule `tests_whole`). A program that uses up its time is WRONG: it had what it was given (`sandbox.limits` says how that
    is distinguished from a busy machine, which is UNSCORED).

    Raises:
        ConfigError: a setting out of range. VerifierError: programs cannot be confined here.
    """

    name: ClassVar[str] = "code"

    seconds: Seconds = 4
    """Of a program's own time, loading and all calls together; the tests get as much."""
    memory_mb: Megabytes = 1024
    """Mebibytes of address space of a program."""
    unsafe: bool = False
    """Accept resource limits alone where nothing better works."""

    @property
    def deadline(self) -> float:
        """Seconds after which the pool gives up; the sandbox's own deadlines come first."""
        return self._limits().overload_seconds + 30.0

    def judge(self, gold: str, answer: str) -> Judgement:
        """Run the tests on the program. Starts processes; a gold that cannot be read is UNSCORED."""
        exam = _read(gold)
        if isinstance(exam, str):
            return Judgement(value=VerdictValue.UNSCORED, basis="gold", reason=f"unparsable gold: {exam}")
        program = whole_program(exam, answer)
        fault: SandboxFault | None = None
        for _ in range(2):
            try:
                return _judgement(thread_sandbox(unsafe=self.unsafe).examine(program, exam, self._limits()))
            except SandboxFault as error:
                fault = error
                discard_sandbox(unsafe=self.unsafe)
        return unscored(f"sandbox: {fault}")


def whole_program(exam: dict[str, Any], answer: str) -> str:
    """The whole program: what the gold puts before it, and the answer; a completion goes on where the prompt ends.

    Of a prompt whose function the answer defines itself, only what comes before that function is kept (imports, helpers).
    """
    preamble: str = exam.get("preamble", "")
    if exam["kind"] == "check":
        prompt, entry = exam["prompt"], exam["entry_point"]
        if not defines(answer, entry):
            return f"{preamble}{prompt}" + (first_block(answer) if answer[:1].isspace() else answer)
        head = re.search(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry)}\b", prompt, re.MULTILINE)
        preamble += prompt[: head.start()] if head else ""
    # A future import must come first.
    return (
        answer
        if re.search(r"^from __future__ import", answer, re.MULTILINE)
        else f"{preamble}\n{answer}"
        if preamble
        else answer
    )


def _read(gold: str) -> dict[str, Any] | str:
    """The exam, or what is wrong with it."""
    try:
        exam = json.loads(gold)
    except (ValueError, RecursionError) as error:
        return f"it is not valid JSON ({error})"
    if not isinstance(exam, dict) or exam.get("kind") not in _KINDS:
        return f"expected an object whose 'kind' is one of {', '.join(_KINDS)}"
    for field in _KINDS[exam["kind"]]:
        if not isinstance(exam.get(field), list if field == "cases" else str):
            return f"kind '{exam['kind']}' needs the field '{field}'"
    defaults = {"setup": exam.get("prompt", ""), "entry_point": None, "preamble": ""}
    exam = defaults | exam
    if exam["kind"] != "cases":
        names = asked_names(exam)
        if isinstance(names, str):
            return names
        exam["program_names"] = names
    return exam


def _judgement(examined: Examined) -> Judgement:
    if examined.fault is not None:
        return unscored(examined.fault)
    rule = examined.basis
    if rule == "tests" and examined.total > 0 == examined.calls and examined.passed == examined.total:
        rule = "never_called"
    elif rule == "tests" and examined.whole:
        rule = "tests_whole"
    share = examined.passed / examined.total if examined.total else 0.0
    return Judgement(
        value=VerdictValue.CORRECT if examined.correct else VerdictValue.WRONG,
        basis=rule,
        parts=MappingProxyType({"tests_passed": share if examined.calls else 0.0}),
    )
