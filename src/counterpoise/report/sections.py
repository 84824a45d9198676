"""Who is compared with whom: bases that runs share, the reference, and one section for each task type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from counterpoise.errors import UsageError, nearest
from counterpoise.evaluation.comparison import Comparison, Contender, compare
from counterpoise.evaluation.estimators.passk import k_sweep, pass_at_k
from counterpoise.evaluation.statistics.bands import BandPoint, simultaneous_band
from counterpoise.evaluation.statistics.cautions import few_problems
from counterpoise.report.records import OWN_BASE, Against, Breakdown, Contrast, Entry, Run
from counterpoise.streams import numpy_generator

__all__ = ["few_notes", "find_entries", "make_sections", "settings_notes"]

_ALL = "all problems"
_EVERY_REFERENCE = 6
"""Entries up to which each can be the reference on the page; with more, the report's own reference alone."""


def find_entries(runs: Sequence[Run]) -> list[Entry]:
    """The curves of a report: every base once, then every run that has an evaluation.

    A run's base is its own evaluation of step 0. Runs whose bases were drawn alike and have the same counts share one.
    """
    bases: list[Entry] = []
    keys: list[object] = []
    owners: dict[str, int] = {}
    for run in runs:
        first = run.evaluations[0] if run.evaluations else None
        if first is None or first.step != 0 or run.step == 0:
            continue
        manifest = first.result.manifest
        drawn = (manifest.model, manifest.weights, manifest.task, manifest.template, manifest.settings)
        key = (drawn, first.result.counts)
        owners[run.name] = keys.index(key) if key in keys else len(keys)
        if key in keys:
            continue
        keys.append(key)
        name = f"base of {run.name}"
        contender = Contender(name=name, path=first.path, counts=first.result.counts, manifest=manifest)
        bases.append(Entry(contender=contender, base=True, style=-len(bases), result=first.result))
    if len(bases) == 1 and all(run.name != "base" and _may_come_from(run, bases[0]) for run in runs):
        bases = [replace(bases[0], contender=replace(bases[0].contender, name="base"))]
    others = [
        Entry(
            contender=run.contender,
            base=False,
            style=style,
            result=run.result,
            own_base=_own_base(run.contender, bases[owners[run.name]]) if run.name in owners else None,
        )
        for style, run in enumerate(runs, start=1)
        if run.contender is not None
    ]
    return [*bases, *others]


def _own_base(run: Contender, base: Entry) -> str | None:
    return base.name if _ids(run) == _ids(base.contender) else None


def _may_come_from(run: Run, base: Entry) -> bool:
    """Whether the run was evaluated on the base's task; a run without an evaluation is not compared at all."""
    if run.contender is None:
        return True
    ours, theirs = run.contender.manifest, base.contender.manifest
    return ours is not None and theirs is not None and ours.task == theirs.task


def make_sections(
    entries: Sequence[Entry], *, against: str | None, confidence: float, seed: int, resamples: int
) -> list[Breakdown]:
    """All problems, then each task type where there are several.

    The reference is `against`; without it each run's own base where there are several, otherwise the first entry.

    Raises:
        UsageError: `against` names no entry; confidence outside (0, 1).
    """
    names = [entry.name for entry in entries]
    if against is not None and against not in names:
        raise UsageError(
            f"--against {against}: no such curve{nearest(against, names, 'There are')}: {', '.join(names) or 'none'}"
        )
    if not entries:
        return []
    types = sorted({problem.task_type for entry in entries for problem in entry.contender.counts})
    parts = [(_ALL, list(entries))]
    if len(types) > 1:
        parts += [(kind or "no type", _of_type(entries, kind)) for kind in types]
    return [
        _section(title, chosen, against=against, confidence=confidence, seed=seed, resamples=resamples)
        for title, chosen in parts
    ]


def settings_notes(entries: Sequence[Entry]) -> list[str]:
    """Entries that were not measured like the first: their difference is not the model's alone."""
    known = [entry for entry in entries if entry.contender.manifest is not None]
    said = []
    for other in known[1:]:
        ours, theirs = _settings(known[0]), _settings(other)
        differing = [f"{key} {ours[key]} and {theirs[key]}" for key in ours if ours[key] != theirs[key]]
        if differing:
            said.append(
                f"{known[0].name} and {other.name} were measured differently, so part of their difference may be that: "
                + ", ".join(differing)
            )
    return said


def few_notes(entries: Sequence[Entry]) -> list[str]:
    """Entries of so few problems that their intervals are rough, those of the same number together."""
    by_number: dict[int, list[str]] = {}
    for entry in entries:
        by_number.setdefault(len(entry.contender.counts), []).append(entry.name)
    return [f"{', '.join(names)}: {said}" for number, names in by_number.items() if (said := few_problems(number))]


def _settings(entry: Entry) -> dict[str, object]:
    manifest = entry.contender.manifest
    assert manifest is not None
    return {"task": manifest.task, "template": manifest.template, **asdict(manifest.settings)}


def _of_type(entries: Sequence[Entry], kind: str) -> list[Entry]:
    chosen = []
    for entry in entries:
        counts = tuple(problem for problem in entry.contender.counts if problem.task_type == kind)
        if counts:
            chosen.append(replace(entry, contender=replace(entry.contender, counts=counts)))
    return chosen


def _section(
    title: str, entries: Sequence[Entry], *, against: str | None, confidence: float, seed: int, resamples: int
) -> Breakdown:
    ks = tuple(k_sweep(max(problem.n for entry in entries for problem in entry.contender.counts)) or [1])
    reference = next((entry for entry in entries if entry.name == against), entries[0])
    others = [entry for entry in entries if entry is not reference]
    references = [reference, *others] if len(entries) <= _EVERY_REFERENCE else [reference]

    def made(one: Entry, chosen: Sequence[Entry]) -> Against:
        return _against(one, chosen, ks, confidence, seed, resamples)

    found = [made(one, [entry for entry in entries if entry is not one]) for one in references] if others else []
    pairs = _with_own_bases(entries, references)
    if pairs:
        known = {(c.comparison.base, c.comparison.after): c for one in found for c in one.differences}
        own = Against(
            reference=OWN_BASE,
            differences=tuple(
                known.get((base.name, run.name)) or made(base, [run]).differences[0] for base, run in pairs
            ),
        )
        found.insert(0 if against is None else len(found), own)
    return Breakdown(
        title=title,
        ks=ks,
        entries=tuple(entries),
        curves=tuple(_curve(entry.contender, ks, confidence, seed, resamples) for entry in entries),
        against=tuple(found),
    )


def _with_own_bases(entries: Sequence[Entry], references: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """(base, run) of every run that has a base; empty where one reference is the base of all of them."""
    by_name = {entry.name: entry for entry in entries}
    pairs = [(by_name[run.own_base], run) for run in entries if run.own_base is not None]
    bases = {base.name for base, _ in pairs}
    return [] if len(bases) < 2 and bases <= {reference.name for reference in references} else pairs


def _curve(
    contender: Contender, ks: Sequence[int], confidence: float, seed: int, resamples: int
) -> tuple[BandPoint, ...]:
    values_PK = pass_at_k([p.n for p in contender.counts], [p.c for p in contender.counts], ks)
    generator = numpy_generator(seed, "report", "curve")
    return tuple(simultaneous_band(values_PK, generator=generator, confidence=confidence, resamples=resamples))


def _against(
    reference: Entry, others: Sequence[Entry], ks: Sequence[int], confidence: float, seed: int, resamples: int
) -> Against:
    def made(chosen: Sequence[Entry], *, paired: bool) -> list[Comparison]:
        contenders = [reference.contender, *(entry.contender for entry in chosen)]
        return compare(contenders, ks, paired=paired, confidence=confidence, seed=seed, resamples=resamples)[1]

    pairable = [entry for entry in others if _refusal(reference, entry) is None]
    paired = {c.after: c for c in (made(pairable, paired=True) if pairable else [])}
    differences = []
    for entry in others:
        refused = _refusal(reference, entry)
        comparison = paired[entry.name] if refused is None else made([entry], paired=False)[0]
        differences.append(Contrast(comparison=comparison, refused=refused))
    return Against(reference=reference.name, differences=tuple(differences))


def _refusal(one: Entry, other: Entry) -> str | None:
    ours, theirs = _ids(one.contender), _ids(other.contender)
    if ours == theirs:
        return None
    return (
        f"{one.name} and {other.name} did not answer the same problems ({len(ours & theirs)} in common, "
        f"{len(ours - theirs)} only in {one.name}, {len(theirs - ours)} only in {other.name}), so their difference cannot be paired; "
        "the means of each one's own problems are compared instead, which is less precise"
    )


def _ids(contender: Contender) -> set[str]:
    return {problem.problem_id for problem in contender.counts}
