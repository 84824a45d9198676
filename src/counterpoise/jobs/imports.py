"""Rollouts that other tools made become an evaluation: their draws, their problems, and their own verdicts."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.errors import DataError, UsageError
from counterpoise.evaluation.imports.draws import Draw
from counterpoise.evaluation.imports.refused import Refused
from counterpoise.evaluation.imports.source import Source
from counterpoise.evaluation.store.golds import KeptProblem, append_problems, kept_problems
from counterpoise.evaluation.store.merge import DRAWN_AS, HeldDraws
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore, StoredRollout, StoredVerdict
from counterpoise.evaluation.summary import EvaluationResult, summarise
from counterpoise.files import Damage, append_json_lines, read_json
from counterpoise.iterating import in_batches
from counterpoise.tasks.shared.identity import problem_id
from counterpoise.text import counted
from counterpoise.thought import opens_thought
from counterpoise.types import Problem, SamplingSettings, Verdict, VerdictValue

__all__ = ["IMPORTED", "Imported", "import_rollouts"]

IMPORTED = "imported"
"""Name of the verifier whose verdicts are the files' own."""

_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What one import led to."""

    added: Mapping[Path, int]
    """Draws of each file that were new."""
    known: Mapping[Path, int]
    """Draws of each file that were there."""
    refused: Refused
    """Rows that could not be used; they are not in the evaluation."""
    without_gold: int
    """Problems of the evaluation nobody gave a gold for."""
    between: int
    """Scores that are none of -1, 0 and 1, so that the threshold decides what they mean."""
    result: EvaluationResult | None
    """pass@k by the files' own scores; None when they give none, or another verifier has graded the evaluation."""


def import_rollouts(
    directory: Path,
    sources: Sequence[Source],
    *,
    model: str = IMPORTED,
    settings: SamplingSettings | None = None,
    verifier: str = "math",
    threshold: float = 0.5,
    in_thought: bool = False,
    steps: Collection[int] = (),
    task: Sequence[Problem] = (),
) -> Imported:
    """Add the draws of files to an evaluation, which is begun where there is none.

    A draw is known by the hash of its file and step and by its place among that file's draws of the problem: the same file adds nothing
    twice, whatever it is called, and after a kill the same call goes on. A draw keeps that place as its sample index where it is free and
    takes the lowest free one otherwise.

    A problem is known by its prompt and gold, or by the file's own id, or as the one of `task` whose question its prompt holds.

    Args:
        directory: the evaluation.
        sources: files to read, twice each: for their steps, then for their draws.
        model: who drew them, for the manifest.
        settings: how they were drawn, for the manifest; nothing else depends on it.
        verifier: of the problems that are not of `task`.
        threshold: a score counts as right from here on.
        in_thought: every prompt opened a thought, in which the response begins, also where the prompt's text in the file does not show it.
        steps: training steps that count; needed when the files have more than one.
        task: problems whose gold and identity replace the files'.

    Raises:
        UsageError: several steps and none chosen, none of those chosen, or the responses are there with scores from elsewhere.
        DataError: no row could be used, or no prompt holds a question of `task`; nothing is written then.
        StoreError: the directory holds another evaluation, or the disk is full.
    """
    label = _steps(sources, steps)
    manifest = Manifest(
        model=model,
        task="jsonl:test",
        template=IMPORTED,
        settings=settings or SamplingSettings(max_tokens=0),
        seed=0,
        weights=label,
    )
    _check_usable(sources, steps, _Problems(directory, task, verifier), directory)
    store = RolloutStore(directory, manifest)
    writer = _Writer(store, _Problems(store.directory, task, verifier), threshold, in_thought=in_thought)
    added: dict[Path, int] = {}
    known: dict[Path, int] = {}
    refused = Refused()
    for source in sources:
        added[source.path], known[source.path] = writer.write(source, steps, refused)
    problems = kept_problems(store.directory)
    return Imported(
        added=added,
        known=known,
        refused=refused,
        without_gold=sum(problem.gold is None for problem in problems.values()),
        between=writer.between,
        result=_summary(RolloutStore(directory), writer) if writer.scored else None,
    )


def _check_usable(sources: Sequence[Source], steps: Collection[int], problems: _Problems, directory: Path) -> None:
    """Look for one draw before anything is written; `problems` are spoilt by it."""
    refused = Refused()
    for source in sources:
        if next(problems.placed(source, steps, refused), None) is not None:
            return
    names = ", ".join(str(source.path) for source in sources[:3]) + (", …" if len(sources) > 3 else "")
    first = f", first {refused.first[0].path}:{refused.first[0].line}" if refused.first else ""
    raise DataError(
        f"no row of {names} can be used, so nothing was written to {directory}. "
        f"{counted(refused.total, 'row was', 'rows were')} refused{first}: {refused.why()}"
    )


def _steps(sources: Sequence[Source], wanted: Collection[int]) -> str | None:
    found: set[int] = set().union(*(source.steps() for source in sources))
    listed = ", ".join(map(str, sorted(found))) or "none"
    absent = sorted(set(wanted) - found)
    if absent:
        raise UsageError(f"step {absent[0]} is not in the files; their steps: {listed}")
    if not wanted and len(found) > 1:
        raise UsageError(
            f"the files hold draws of {len(found)} training steps ({listed}), which are as many policies; choose with --steps, "
            "e.g. --steps " + str(max(found))
        )
    chosen = sorted(wanted or found)
    return f"step {','.join(map(str, chosen))}" if chosen else None


class _Problems:
    """Which problem a draw answers."""

    def __init__(self, directory: Path, task: Sequence[Problem], verifier: str) -> None:
        self._directory = directory
        self._verifier = verifier
        self._task = {_words(problem.question): problem for problem in task}
        self._kept = kept_problems(directory)
        self._fresh: dict[str, KeptProblem] = {}
        self._met: dict[str, Problem | None] = {}

    def of(self, draw: Draw) -> str:
        """The problem's id; a new problem waits for `flush`."""
        if self._task:
            problem = self._in_task(draw.prompt or "")
            if problem is None:
                raise ValueError("no question of the task is in the prompt")
            kept = KeptProblem(
                problem_id=problem.problem_id,
                task_type=problem.task_type,
                question=problem.question,
                gold=problem.gold,
                verifier=problem.verifier,
            )
        else:
            content = (draw.prompt or "", *(() if draw.gold is None else (draw.gold,)))
            kept = KeptProblem(
                problem_id=draw.problem_id or problem_id(IMPORTED, *content),
                task_type=IMPORTED,
                question=draw.prompt,
                gold=draw.gold,
                verifier=self._verifier,
            )
        before = self._kept.get(kept.problem_id)
        if before is None or (before.gold is None and kept.gold is not None):
            self._kept[kept.problem_id] = self._fresh[kept.problem_id] = kept
        elif kept.gold is not None and kept.gold != before.gold:
            raise ValueError(
                f"problem {kept.problem_id} has the gold {before.gold!r:.80} already and {kept.gold!r:.80} here"
            )
        return kept.problem_id

    def placed(self, source: Source, steps: Collection[int], refused: Refused) -> Iterator[tuple[Draw, str]]:
        """The draws of a file that count, with their problems."""
        for line, draw in source.draws(refused.add):
            if steps and draw.step not in steps:
                continue
            try:
                problem = self.of(draw)
            except ValueError as error:
                refused.add(Damage(path=source.path, line=line, reason=str(error)))
            else:
                yield draw, problem

    def flush(self) -> None:
        append_problems(self._directory, list(self._fresh.values()))
        self._fresh.clear()

    def _in_task(self, prompt: str) -> Problem | None:
        words = _words(prompt)
        if words not in self._met:
            inside = [question for question in self._task if question in words]
            self._met[words] = self._task.get(words) or (self._task[max(inside, key=len)] if inside else None)
        return self._met[words]


class _Writer:
    """Puts draws and their verdicts into the store, batch by batch."""

    def __init__(self, store: RolloutStore, problems: _Problems, threshold: float, *, in_thought: bool) -> None:
        self._store = store
        self._problems = problems
        self.held = HeldDraws(store)
        self._threshold = threshold
        self._in_thought = in_thought
        self.version = f"from-{threshold:g}"
        self._rules = _Rules(store.verdicts(IMPORTED, self.version))
        self.scored = self.between = 0

    def write(self, source: Source, steps: Collection[int], refused: Refused) -> tuple[int, int]:
        """(new, known) draws of one file."""
        added = known = 0
        for batch in in_batches(self._placed(source, steps, refused), _AT_ONCE):
            lines = [line for line, _ in batch if line is not None]
            self._problems.flush()
            append_json_lines(self._store.rollouts_path, lines)
            self._store.append_verdicts([verdict for _, verdict in batch if verdict is not None])
            added, known = added + len(lines), known + len(batch) - len(lines)
        return added, known

    def _placed(
        self, source: Source, steps: Collection[int], refused: Refused
    ) -> Iterator[tuple[dict[str, Any] | None, StoredVerdict | None]]:
        places: Counter[tuple[str, int | None]] = Counter()
        seeds: dict[int | None, int] = {}
        for draw, problem in self._problems.placed(source, steps, refused):
            if draw.step not in seeds:
                seeds[draw.step] = int(problem_id("file", source.digest, str(draw.step))[:13], 16)
            seed = seeds[draw.step]
            drawn_as = places[problem, draw.step]
            places[problem, draw.step] += 1
            before = self.held.found(problem, drawn_as, seed)
            sample = self.held.place(problem, drawn_as, seed) if before is None else before
            assert sample is not None
            fresh = None if before is not None else self._line(draw, problem, sample, drawn_as, seed)
            yield fresh, self._verdict(source, draw, problem, sample)

    def _line(self, draw: Draw, problem: str, sample: int, drawn_as: int, seed: int) -> dict[str, Any]:
        rollout = StoredRollout(
            problem_id=problem,
            sample=sample,
            seed=seed,
            text=draw.response,
            tokens=draw.tokens,
            stop_reason=draw.stop_reason,
            policy_version=draw.step or 0,
            in_thought=self._in_thought or draw.in_thought or opens_thought(draw.prompt or ""),
        )
        return rollout.to_json() | ({} if sample == drawn_as else {DRAWN_AS: drawn_as})

    def _verdict(self, source: Source, draw: Draw, problem: str, sample: int) -> StoredVerdict | None:
        if draw.score is None:
            return None
        unscored = math.isnan(draw.score)
        self.scored += not unscored
        self.between += draw.score not in (-1, 0, 1) and not unscored
        rule = f"{source.score}>={self._threshold:g}"
        before = self._rules.of(problem, sample)
        if before is not None:
            if before != rule:
                raise UsageError(
                    f"{self._store.directory} has the responses of {source.path} already, judged by {before}; now it would be {rule}, and "
                    "a response has one verdict of its file. Import the file into another directory and put the two side by side with "
                    "counterpoise compare"
                )
            return None
        right = VerdictValue.CORRECT if draw.score >= self._threshold else VerdictValue.WRONG
        verdict = Verdict(
            value=VerdictValue.UNSCORED if unscored else right,
            answer=None,
            basis=rule,
            seconds=0.0,
            verifier=IMPORTED,
            version=self.version,
            reason="the file has no score" if unscored else None,
            parts={"score": draw.score} if math.isfinite(draw.score) else {},
        )
        return StoredVerdict(problem_id=problem, sample=sample, verdict=verdict)


class _Rules:
    """By which rule each draw was judged: two bytes a draw."""

    def __init__(self, verdicts: Iterable[StoredVerdict]) -> None:
        self._names: dict[str, int] = {}
        self._codes: dict[str, array[int]] = {}
        for line in verdicts:
            codes = self._codes.setdefault(line.problem_id, array("H"))
            codes.extend([0] * (line.sample + 1 - len(codes)))
            codes[line.sample] = self._names.setdefault(line.verdict.basis, len(self._names) + 1)
        self._named = ["", *self._names]

    def of(self, problem: str, sample: int) -> str | None:
        """The rule; None for a draw without a verdict."""
        codes = self._codes.get(problem, ())
        return (self._named[codes[sample]] or None) if sample < len(codes) else None


def _summary(store: RolloutStore, writer: _Writer) -> EvaluationResult | None:
    """pass@k by the imported scores, unless the result in place is another verifier's."""
    try:
        verifiers = dict(read_json(store.directory / "passk.json")["verifiers"])
    except (OSError, ValueError, KeyError, TypeError):
        verifiers = {IMPORTED: writer.version}
    if set(verifiers) != {IMPORTED}:
        return None
    drawn = writer.held.lengths()
    problems = [kept.problem() for name, kept in sorted(kept_problems(store.directory).items()) if name in drawn]
    graders = {problem.verifier: (IMPORTED, writer.version) for problem in problems}
    result = summarise(store, problems, n=max(drawn.values()), graders=graders)
    result.save(store.directory)
    return result


def _words(text: str) -> str:
    return " ".join(text.split())
