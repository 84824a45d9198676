"""The scorers of reasoning-gym (extra `procedural`). Those that evaluate a text see arithmetic and literals only, in the sandbox."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import math
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any, ClassVar, Final

from counterpoise.errors import MissingExtraError, VerifierError
from counterpoise.lazy import compiled
from counterpoise.settings import settings
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.guests.gym_sandbox import SandboxedScorer, discard_scorer, thread_scorer
from counterpoise.verifiers.guests.gym_scoring import outcome, quietly, read_item
from counterpoise.verifiers.sandbox.levels import bubblewrap_command, unsafe_words
from counterpoise.verifiers.sandbox.process import SandboxFault
from counterpoise.verifiers.text.extraction import TAGGED_RULES, extract
from counterpoise.verifiers.text.presentation import seen

__all__ = [
    "EXPRESSIONS",
    "LITERALS",
    "REVIEWED",
    "ReasoningGymVerifier",
    "dangerous_calls",
    "plain_arithmetic",
    "prepare",
]

_MAX_ANSWER: Final = 16_384
_MAX_EXPRESSION: Final = 512
_MAX_PRESENTED: Final = 4096
_SECONDS: Final = 4

LITERALS: Final = frozenset(("binary_matrix", "n_queens", "spiral_matrix", "string_insertion"))
"""Generators whose scorer calls `eval` on an answer that is not right as it stands, for partial credit; here it reads literals only, in the
sandbox."""

EXPRESSIONS: Final = frozenset(
    ("countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24", "simple_integration")
)
"""Generators whose scorer calls sympy's `parse_expr`, which evaluates; here it only ever sees `plain_arithmetic`, in the sandbox."""

REVIEWED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "basic_arithmetic": "eval of its own expression, while an item is made",
        "bf": "a compiler of its own language, while an item is made",
        "bitwise_arithmetic": "eval of its own expression, in making and in scoring",
        "codeio": "exec of the data set's own program, while an item is made",
        "number_sorting": "eval of the item's answer, not of the model's",
        "propositional_logic": "a parser of its own that happens to be called parse_expr",
    }
)
"""Generators whose module calls such a function, and why no model's text reaches it (read in version 0.1.25)."""

_RUNNERS: Final = "eval exec compile __import__ parse_expr sympify lambdify parse_latex parse_mathematica system popen"
_DANGEROUS: Final = frozenset(_RUNNERS.split())
_DANGEROUS_MODULES: Final = frozenset(("pickle", "marshal", "subprocess", "os", "shelve", "runpy"))
_SUSPECT: Final = compiled(rf"\b(?:{'|'.join(sorted(_DANGEROUS | _DANGEROUS_MODULES))})\b")
_ELEMENTARY: Final = "Abs acos acosh asin asinh atan atanh cos cosh cot csc exp ln log sec sin sinh sqrt tan tanh"
_FUNCTIONS: Final = frozenset(_ELEMENTARY.split())
_MAX_POWER: Final = 1000
_NAME: Final = compiled(r"[A-Za-z]|pi")
_NODES: Final = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Name, ast.Call, ast.Load),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UAdd, ast.USub),
)


@settings("verifier reasoning_gym")
class ReasoningGymVerifier:
    r"""CORRECT when the generator's own scorer gives exactly 1; its score travels as the part `score`.

    The gold is the JSON that the task `reasoning_gym` writes. A scorer that raises on an answer, and not on the item's own one, could
    not read it: WRONG. The answer stands between `<answer>` and `</answer>`, or in a box; one that does not score 1 as it stands is scored
    without what only presents (`\text{7}`, `**7**`).

    Scorers that evaluate an answer run in the sandbox (`LITERALS`, `EXPRESSIONS`); without one their answers are UNSCORED. To forge a score
    takes a text that is arithmetic or a literal to `ast` and runs code in sympy or `literal_eval`; it could then give itself any score, and
    neither read nor change the machine, nor another answer's score.
    """

    name: ClassVar[str] = "reasoning_gym"
    isolated: ClassVar[bool] = True
    """The scorers are somebody else's, and some search or simplify."""
    prepares: ClassVar[str] = __name__
    """Module that a worker loads before its first job."""

    unsafe: bool = False
    """Accept resource limits alone where no sandbox works."""

    @property
    def announcement(self) -> str | None:
        """That programs of responses may run without a sandbox, where that was accepted."""
        return unsafe_words(self.name) if self.unsafe else None

    @property
    def version(self) -> str:
        """This module's version and the package's, whose scorers change; the sandbox's level changes no score."""
        try:
            return f"4+reasoning-gym-{version('reasoning-gym')}"
        except PackageNotFoundError:
            return "4+reasoning-gym-absent"

    def extract(self, response: str) -> Extraction:
        """The answer inside a response, at most 16,384 characters; see `counterpoise.verifiers.text.extraction`."""
        return extract(response, rules=TAGGED_RULES, longest=_MAX_ANSWER)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Score; UNSCORED for a gold that cannot be read, a scorer that fails on the item's own answer, and one that cannot be confined.

        Starts processes for the generators that `LITERALS` and `EXPRESSIONS` name.
        """
        item = read_item(gold)
        if item is None:
            return _unscored("unparsable gold: expected the JSON of the task reasoning_gym")
        generator = item[0]
        known = _package().DATASETS
        if generator not in known:
            return _unscored(f"unparsable gold: reasoning-gym has no generator '{generator}'")
        if refusal := _refusal(generator, known[generator][0]):
            return _unscored(refusal)
        judgement = self._judge(generator, gold, answer)
        if judgement.value is VerdictValue.CORRECT or len(answer) > _MAX_PRESENTED:
            return judgement
        plain = seen(answer)
        if plain == answer.strip():
            return judgement
        # As it stands first: in a grid or a program the marks may be part of the answer.
        again = self._judge(generator, gold, plain)
        return again if again.value is VerdictValue.CORRECT else judgement

    def _judge(self, generator: str, gold: str, answer: str) -> Judgement:
        if generator not in LITERALS | EXPRESSIONS:
            return _judgement(generator, outcome(gold, answer))
        if generator in EXPRESSIONS and not plain_arithmetic(answer):
            return _scored(0.0, "no_expression")
        try:
            return _judgement(generator, _scorer(unsafe=self.unsafe).score(gold, answer, seconds=_SECONDS))
        except VerifierError as error:
            if isinstance(error, SandboxFault):
                discard_scorer(unsafe=self.unsafe)
            return _unscored(f"sandbox: {_advice(error)}")


def prepare() -> None:
    """Load the package and the sandboxed scorer: seconds that no deadline should count."""
    _package()
    with contextlib.suppress(VerifierError):  # an answer that needs it says why there is none
        _scorer(unsafe=False)


def plain_arithmetic(text: str) -> bool:
    """True when a text is an expression of numbers, one-letter names and elementary functions, and so harmless to evaluate.

    No attribute, subscript, string, comparison, comment, keyword or other name passes; at most 512 characters, numbers of at most 12
    digits, and nested exponents whose product is at most 1,000.
    """
    # A comment would reach the evaluating scorer unread.
    if len(text) > _MAX_EXPRESSION or not text.isascii() or "#" in text:
        return False
    try:
        tree = ast.parse(text.strip(), mode="eval")
        functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        harmless = all(_harmless(node, called=id(node) in functions) for node in ast.walk(tree))
        return harmless and _power(tree) <= _MAX_POWER
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False


def dangerous_calls(source: str) -> list[str]:
    """Names in a module's source through which text could be run, e.g. `eval` or `sympy.parse_expr`, in the source's order."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)) if _SUSPECT.search(source) else ():
        if isinstance(node, ast.Name) and node.id in _DANGEROUS:
            found.append((node.lineno, node.id))
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if owner in _DANGEROUS_MODULES or (node.attr in _DANGEROUS and owner != "re"):
                found.append((node.lineno, ast.unparse(node)))
    return [name for _, name in sorted(found)]


def _harmless(node: ast.AST, *, called: bool) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS if called else _NAME.fullmatch(node.id) is not None
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float)) and not isinstance(node.value, bool) and abs(node.value) < 10**12
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and not node.keywords
    return isinstance(node, _NODES)


def _power(node: ast.AST) -> float:
    """Largest product of nested exponents, infinite where an exponent holds a power: `9**9**9` would fill any memory."""
    inside = max((_power(child) for child in ast.iter_child_nodes(node)), default=1.0)
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)):
        return inside
    exponent = list(ast.walk(node.right))
    if any(isinstance(part, ast.Pow) for part in exponent):
        return math.inf
    numbers = (part.value for part in exponent if isinstance(part, ast.Constant))
    return inside * math.prod(max(1.0, abs(number)) for number in numbers if isinstance(number, (int, float)))


def _refusal(generator: str, kind: type) -> str | None:
    calls = [call for module in _modules(kind) for call in dangerous_calls(inspect.getsource(module))]
    if not calls or generator in LITERALS | EXPRESSIONS | set(REVIEWED):
        return None
    return f"refused: the module of {generator} calls {', '.join(dict.fromkeys(calls))}, and nobody has read whether on a model's text"


def _modules(kind: type) -> Iterator[Any]:
    """Modules of the class and of its bases inside the package, whose `score_answer` may be the one that runs."""
    for base in kind.__mro__:
        if base.__module__.startswith("reasoning_gym."):
            yield importlib.import_module(base.__module__)


def _package() -> Any:
    try:
        with quietly():
            return importlib.import_module("reasoning_gym.factory")
    except ImportError as error:
        raise MissingExtraError("reasoning-gym", extra="procedural", purpose="the verifier 'reasoning_gym'") from error


def _scorer(*, unsafe: bool) -> SandboxedScorer:
    known = _package().DATASETS
    modules = {name: known[name][0].__module__ for name in sorted(LITERALS | EXPRESSIONS) if name in known}
    return thread_scorer(unsafe=unsafe, generators=modules, literals=LITERALS)


def _advice(error: VerifierError) -> str:
    """What to do comes first: a reason has 200 characters."""
    if isinstance(error, SandboxFault):
        return str(error)
    return f"this scorer evaluates answers and is run in a sandbox alone; install bubblewrap with: {bubblewrap_command()} ({error})"


def _judgement(generator: str, found: Mapping[str, Any]) -> Judgement:
    """From what `outcome` found, or what claims to be that and came out of the sandbox."""
    score = found.get("score")
    if isinstance(score, (int, float)) and not isinstance(score, bool):
        if not math.isfinite(score):
            return _unscored(f"crash: the scorer of {generator} returned {score}")
        return _scored(float(score), "score")
    if "refused" in found:
        return _unscored(f"unparsable gold: {found['refused']}")
    if found.get("own") is True:
        return _scored(0.0, "unreadable")
    if "raised" in found:
        return _unscored(f"crash: the scorer of {generator} raised {found['raised']}")
    kind = {"MemoryError": "memory", "TimeoutError": "timeout"}.get(str(found.get("broke")), "crash")
    return _unscored(
        f"{kind}: the scorer of {generator} ended in the sandbox ({found.get('broke')}; it has {_SECONDS} s)"
    )


def _scored(score: float, rule: str) -> Judgement:
    return Judgement(
        value=VerdictValue.CORRECT if score == 1.0 else VerdictValue.WRONG,
        basis=rule,
        parts=MappingProxyType({"score": min(1.0, max(0.0, score))}),
    )


def _unscored(reason: str) -> Judgement:
    return Judgement(value=VerdictValue.UNSCORED, basis="gold", reason=" ".join(reason.split())[:200])
