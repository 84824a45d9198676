"""Verifiers that are not ours: a class, or a function of a response, imported by the workers as it was by the process that began."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final

from counterpoise.errors import ConfigError
from counterpoise.golds import accepted
from counterpoise.plugins import ForeignPart, ImportPath, Shape, SourceCode, import_part, portable
from counterpoise.plugins.adopt import what_is
from counterpoise.plugins.source import import_source, line_of
from counterpoise.settings import adopted
from counterpoise.types import Extraction, Judgement, Problem, Verifier
from counterpoise.verifiers.guests.own_call import FunctionSettings, arguments_of, form_of, judgement_of, unread
from counterpoise.verifiers.isolate.pool import unscored

__all__ = ["Own", "OwnFunction", "OwnVerifier", "code_of", "own_verifier"]

_CLASS: Final = Shape(methods={"extract": ("response",), "judge": ("gold", "answer")}, defaults={"isolated": True})

_sources: Final[dict[str, SourceCode]] = {}
_found: Final[dict[tuple[str, str], Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Imported:
    """What a worker does before its first job: import the bytes that the main process hashed."""

    reference: ImportPath
    source: SourceCode

    def __call__(self) -> None:
        """Import them; where that fails, every job says why."""
        try:
            import_source(self.source, quiet=True)
        except ConfigError:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Where the code is. A job is sent to a worker with this alone."""

    reference: ImportPath
    """Import path, its file absolute."""
    sha256: str
    """Of the code."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Settings."""

    @property
    def name(self) -> str:
        """The import path without folders."""
        return portable(str(self.reference))

    @property
    def version(self) -> str:
        """Digits of the code's hash, and of that of its settings where there are any."""
        text = json.dumps(dict(self.given), sort_keys=True, default=str)
        return self.sha256[:12] + (f"+{sha256(text.encode()).hexdigest()[:6]}" if self.given else "")

    @property
    def prepares(self) -> _Imported:
        """The import, on which no deadline runs."""
        return _Imported(reference=self.reference, source=_sources[self.sha256])

    def found(self) -> Any:
        """The object, in this process.

        Raises:
            ConfigError: it cannot be imported, or the file has changed.
        """
        key = (str(self.reference), self.sha256)
        if key not in _found:
            loaded = import_part(self.reference, quiet=True)
            if loaded.source.sha256 != self.sha256:
                raise ConfigError(
                    f"{loaded.source.path} has changed since it was imported (sha256 {loaded.source.version} now, {self.sha256[:12]} then)"
                )
            _found[key] = loaded
        return _found[key].found


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFunction(Own):
    """A function of a response as a verifier: it gets the whole response, the gold, the question and the fields of the record.

    What it returns: true or false; a number, which is right from `right` on and whose share of the way from `low` to `high` is the part
    `score`; a `Verdict`; None for unscored. What it raises, and what is none of these, makes the response unscored, with the reason.
    """

    form: str
    """`plain`: `fn(response, gold, *, question, meta)`; `trl`: `fn(completions, **columns)`; `verl`: `compute_score(data_source,
    solution_str, ground_truth, extra_info)`."""
    marks: FunctionSettings
    """What its numbers mean."""
    isolated: bool = True
    """It may hang or crash, so it runs in a worker that can be ended."""

    def extract(self, response: str) -> Extraction:
        """The whole response: what is the answer in it, the function knows."""
        return Extraction(answer=response, basis="response")

    def stated(self, problem: Problem) -> str:
        """Gold, question and record as one text, which stands in the gold's place."""
        meta = {**problem.meta, **problem.record}
        stated = {"gold": problem.gold, "question": problem.question, "meta": meta, "task_type": problem.task_type}
        return json.dumps(stated, sort_keys=True, default=str)

    def check(self, problem: Problem) -> None:
        """See that the record has what the function takes.

        Raises:
            ConfigError: naming what it lacks.
        """
        lacking = unread(self.found(), self.form, problem)
        if lacking:
            fields = ", ".join(problem.record) or "none"
            raise ConfigError(
                f"verifier {self.name} takes {', '.join(lacking)}, and the record of {problem.source or problem.problem_id} has no such "
                f"field (its fields: {fields}); it also gets completions, prompts and gold"
            )

    def judge(self, gold: str, answer: str) -> Judgement:
        """Call it. Memory and time are the worker's business, everything else that goes wrong is a reason."""
        stated = _stated(gold)
        golds = accepted(stated["gold"])
        response = golds[0] if answer == gold else answer  # asked whether the gold alone is trouble
        given = stated["gold"] if golds == (stated["gold"],) else list(golds)
        try:
            function = self.found()
            positional, named = arguments_of(function, self.form, {**stated, "gold": given}, response, self.marks)
            value = function(*positional, **named)
            if self.form == "trl":
                value = _only(value)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            return unscored(f"crash: {type(error).__name__}: {error}{line_of(error, self.reference.place)}")
        return judgement_of(value, self.marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVerifier(Own):
    """A class with `extract` and `judge` as a verifier; made in each worker from its settings."""

    isolated: bool
    """As the class says; a class that does not say is isolated."""

    def extract(self, response: str) -> Extraction:
        """The class's.

        Raises:
            TypeError: it returned something else.
        """
        found = self._made().extract(response)
        if not isinstance(found, Extraction):
            raise TypeError(f"extract returned {what_is(found)}; expected an Extraction")
        return found

    def judge(self, gold: str, answer: str) -> Judgement:
        """The class's; anything that is not a judgement is read as a function's."""
        return judgement_of(self._made().judge(gold, answer), FunctionSettings())

    def _made(self) -> Verifier:
        key = (str(self.reference), self.version)
        if key not in _found:
            _found[key] = adopted(f"verifier {self.name}", self.found(), _CLASS.defaults)(**self.given)
        made: Verifier = _found[key]
        return made


def own_verifier(loaded: ForeignPart) -> Callable[..., Verifier]:
    """What makes a verifier of settings, from a class or a function that an import path leads to.

    Raises:
        ConfigError: it is neither, or has another signature.
    """
    where = f"verifier {loaded.name}"
    code = code_of(loaded)
    if inspect.isclass(loaded.found):
        if loaded.reference.form is not None:
            raise ConfigError(
                f"{where} is a class; {loaded.reference.form}: stands before a function of that library's signature"
            )
        adopt = _CLASS.adopt("verifier", loaded)

        def of_class(**given: Any) -> Verifier:
            made = adopt(**given)  # for its complaints
            return OwnVerifier(**code, given=given, isolated=bool(made.isolated))

        return of_class
    form = form_of(where, loaded)
    marks = adopted(where, FunctionSettings, {"where": where})

    def of_function(**given: Any) -> Verifier:
        checked = marks(**given)
        if checked.chat and form != "trl":
            raise ConfigError(f"{where}: chat says how TRL's functions get a response, and this is none")
        # A worker knows the plain class alone.
        return OwnFunction(**code, given=given, form=form, marks=FunctionSettings(**asdict(checked)))

    return of_function


def code_of(loaded: ForeignPart) -> dict[str, Any]:
    """The fields of `Own` that say where the code is; workers are given its bytes."""
    _sources[loaded.source.sha256] = loaded.source
    return {"reference": loaded.reference, "sha256": loaded.source.sha256}


def _stated(gold: str) -> dict[str, Any]:
    """What `stated` wrote; a gold that stands alone has no question and no record."""
    try:
        value = json.loads(gold)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and value.keys() == {"gold", "question", "meta", "task_type"}:
        return value
    return {"gold": gold, "question": "", "meta": {}, "task_type": ""}


def _only(value: Any) -> Any:
    """The one score of a function of several completions.

    Raises:
        TypeError: it returned no list of one.
    """
    listed = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(listed, (list, tuple)) or len(listed) != 1:
        raise TypeError(f"returned {what_is(value)} for one completion; expected a list of one score")
    return listed[0]
