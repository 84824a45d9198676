"""The files that are meant, the format they are in, and the draws in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from counterpoise.errors import DataError, UnknownNameError, UsageError
from counterpoise.evaluation.imports.draws import UNUSABLE, Columns, Draw, Format
from counterpoise.evaluation.imports.registry import FORMATS
from counterpoise.evaluation.imports.rows import digest, rows
from counterpoise.files import Damage

__all__ = ["Source", "open_sources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of another tool."""

    path: Path
    """The file."""
    digest: str
    """Hash of its content."""
    name: str
    """Format's name."""
    columns: Columns
    """Its columns, after what the first row says and the user named."""
    filter: str | None = None
    """lm-eval: the only filter whose lines count, because every filter repeats the same responses."""
    other_filters: tuple[str, ...] = ()
    """lm-eval: the file's other filters."""
    candidates: tuple[str, ...] = ()
    """Columns that could be the score, when there are several and none was named."""

    @property
    def score(self) -> str | None:
        """Where its scores come from, e.g. `accuracy_reward` or `exact_match of strict-match`; None where it gives none."""
        if not self.columns.score:
            return None
        return self.columns.score[0] if self.filter is None else f"{self.columns.score[0]} of {self.filter}"

    def draws(self, on_damage: Callable[[Damage], None]) -> Iterator[tuple[int, Draw]]:
        """The responses in the file's order with their line; a row that cannot be used goes to `on_damage`."""
        return self._draws(on_damage)

    def _draws(self, on_damage: Callable[[Damage], None], *, stepped: bool = False) -> Iterator[tuple[int, Draw]]:
        """Those of all rows, or only of the rows that can say a step."""
        read, in_name = FORMATS[self.name].draws, _step_in_name(self.path)
        for number, fields in rows(self.path, on_damage):
            if self.filter is not None and fields.get("filter") != self.filter:
                continue
            if stepped and in_name is None and not any(name in fields for name in self.columns.step):
                continue
            try:
                found = read(fields, self.columns)
            except UNUSABLE as error:
                on_damage(Damage(path=self.path, line=number, reason=str(error)))
                continue
            for draw in found:
                yield number, draw if in_name is None or draw.step is not None else replace(draw, step=in_name)

    def steps(self) -> set[int]:
        """Training steps in the file; empty where it says none."""
        return {draw.step for _, draw in self._draws(lambda _: None, stepped=True) if draw.step is not None}


def open_sources(paths: Sequence[Path], name: str, named: dict[str, str], filter: str | None = None) -> list[Source]:
    """The files of `paths` (a directory stands for its files of the format), each looked at.

    Args:
        paths: files and directories.
        name: a format of `FORMATS`, or `auto`.
        named: columns the user named, e.g. `{"gold": "solution"}`.
        filter: lm-eval's filter; the file's first by default.

    Raises:
        UnknownNameError: no such format.
        DataError: a directory without such files, an empty file, or one without a column or filter that is needed.
        UsageError: a filter for files of another format.
    """
    if name != "auto" and name not in FORMATS:
        raise UnknownNameError("format", name, ["auto", *FORMATS])
    files = [file for path in paths for file in (_in_directory(path, name) if path.is_dir() else [path])]
    return [_open(file, name, named, filter) for file in files]


def _in_directory(directory: Path, name: str) -> list[Path]:
    meant = list(FORMATS.values()) if name == "auto" else [FORMATS[name]]
    for pattern in (pattern for form in meant for pattern in form.patterns):
        found = [path for path in directory.glob(pattern) if path.is_file()]
        if found:
            return sorted(found, key=lambda path: (_step_in_name(path) or 0, path.name))
    held = sorted(path.name for path in directory.iterdir())
    listed = f"{', '.join(held[:5])}{', …' if len(held) > 5 else ''}" if held else "nothing"
    wanted = ", ".join(f"{' or '.join(form.patterns)} ({form.made_by})" for form in meant)
    raise DataError(
        f"{directory} has no file named {wanted}; it holds {listed}. Rollouts are there only if that setting was on; "
        "if they are elsewhere, give that directory or the files, with --format"
    )


def _open(path: Path, name: str, named: dict[str, str], filter: str | None) -> Source:
    content = digest(path)
    damages: list[Damage] = []
    first = next(islice(rows(path, damages.append), 1), None)
    if first is None:
        found = f"; its first line: {damages[0].reason}" if damages else ""
        raise DataError(f"{path} holds no row{found}. Give a file with one JSON object a line, or a Parquet file")
    fields = first[1]
    chosen = name if name != "auto" else next(key for key, form in FORMATS.items() if form.sign(fields))
    form = FORMATS[chosen]
    columns = replace(form.columns, **{key: (column,) for key, column in named.items()})
    lacking = [column for column in named.values() if column not in fields]
    if lacking:
        raise DataError(
            f"{path}: no column '{lacking[0]}'; the columns are: {', '.join(fields)}. Name one that is there"
        )
    candidates = form.scores(_met(path, columns.score), columns)
    columns = replace(columns, score=candidates if len(candidates) == 1 else ())
    _check(path, form, columns, fields)
    filters = _filters(path) if chosen == "lm-eval" else []
    if filter is not None and filter not in filters:
        if chosen != "lm-eval":
            raise UsageError(f"--filter is for lm-eval's files; {path} is {chosen}. Leave it away")
        raise DataError(f"{path} has no filter '{filter}'; its filters: {', '.join(filters) or 'none'}")
    counted = filter or (filters[0] if filters else None)
    return Source(
        path=path,
        digest=content,
        name=chosen,
        columns=columns,
        filter=counted,
        other_filters=tuple(name for name in filters if name != counted),
        candidates=candidates if len(candidates) > 1 else (),
    )


def _met(path: Path, scores: tuple[str, ...]) -> dict[str, Any]:
    """The first value of each column that is not null, as far as the score needs it: all columns where it has no name to go by."""
    met: dict[str, Any] = {}
    for _, fields in rows(path, lambda _: None):
        met |= {name: value for name, value in fields.items() if met.get(name) is None}
        values = [met.get(name) for name in scores] if scores else met.values()
        if (any if scores else all)(value is not None for value in values):
            break
    return met


def _filters(path: Path) -> list[str]:
    found = (fields.get("filter") for _, fields in rows(path, lambda _: None))
    return list(dict.fromkeys(name for name in found if isinstance(name, str)))


def _check(path: Path, form: Format, columns: Columns, fields: dict[str, Any]) -> None:
    """The first row must have the columns that are needed; its values may still make it a damaged line."""
    try:
        form.draws(fields, columns)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except UNUSABLE:
        return


def _step_in_name(path: Path) -> int | None:
    match = re.fullmatch(r"(?:completions_)?(\d+)", path.stem)
    return int(match[1]) if match else None
