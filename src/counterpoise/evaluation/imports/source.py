"""The files that are meant, the format they are in, and the draws in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from counterpoise.errors import DataError, UnknownNameError
from counterpoise.evaluation.imports.draws import Columns, Draw, Format
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
    candidates: tuple[str, ...] = ()
    """Columns that could be the score, when there are several and none was named."""

    def draws(self, on_damage: Callable[[Damage], None]) -> Iterator[tuple[int, Draw]]:
        """The responses in the file's order with their line; a row that cannot be used goes to `on_damage`."""
        read = FORMATS[self.name].draws
        for number, fields in rows(self.path, on_damage):
            if self.filter is not None and fields.get("filter") != self.filter:
                continue
            try:
                found = read(fields, self.columns)
            except (DataError, ValueError, TypeError, OverflowError) as error:
                on_damage(Damage(path=self.path, line=number, reason=str(error)))
                continue
            for draw in found:
                yield number, draw if draw.step is not None else replace(draw, step=_step_in_name(self.path))

    def steps(self) -> set[int]:
        """Training steps in the file; empty where it says none."""
        return {draw.step for _, draw in self.draws(lambda _: None) if draw.step is not None}


def open_sources(paths: Sequence[Path], name: str, named: dict[str, str], filter: str | None = None) -> list[Source]:
    """The files of `paths` (a directory stands for its files of the format), each looked at.

    Args:
        paths: files and directories.
        name: a format of `FORMATS`, or `auto`.
        named: columns the user named, e.g. `{"gold": "solution"}`.
        filter: lm-eval's filter; the file's first by default.

    Raises:
        UnknownNameError: no such format.
        DataError: a directory without such files, an empty file, or a file without a column that is needed.
    """
    if name != "auto" and name not in FORMATS:
        raise UnknownNameError("format", name, ["auto", *FORMATS])
    files = [file for path in paths for file in (_in_directory(path, name) if path.is_dir() else [path])]
    return [_open(file, name, named, filter) for file in files]


def _in_directory(directory: Path, name: str) -> list[Path]:
    patterns = [FORMATS[name].pattern] if name != "auto" else [form.pattern for form in FORMATS.values()]
    for pattern in patterns:
        found = [path for path in directory.glob(pattern) if path.is_file()]
        if found:
            return sorted(found, key=lambda path: (_step_in_name(path) or 0, path.name))
    held = sorted(path.name for path in directory.iterdir())
    listed = f"{', '.join(held[:5])}{', …' if len(held) > 5 else ''}" if held else "nothing"
    raise DataError(
        f"{directory} holds no file named {' or '.join(patterns)} (it holds {listed}); "
        "give the files themselves or another --format"
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
    candidates: tuple[str, ...] = ()
    if not columns.score:
        candidates = form.score_of(fields)
        if len(candidates) == 1:
            columns, candidates = replace(columns, score=candidates), ()
    _check(path, form, columns, named, fields)
    if chosen == "lm-eval":
        filter = filter or fields.get("filter")
    return Source(
        path=path,
        digest=content,
        name=chosen,
        columns=columns,
        filter=filter if chosen == "lm-eval" else None,
        candidates=candidates,
    )


def _check(path: Path, form: Format, columns: Columns, named: dict[str, str], fields: dict[str, object]) -> None:
    """The first row must have what is needed and what was named; its values may still be a damaged line."""
    lacking = [column for column in named.values() if column not in fields]
    if lacking:
        raise DataError(
            f"{path}: no column '{lacking[0]}'; the columns are: {', '.join(fields)}. Name one that is there"
        )
    try:
        form.draws(fields, columns)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (ValueError, TypeError):
        return


def _step_in_name(path: Path) -> int | None:
    match = re.fullmatch(r"(?:completions_)?(\d+)", path.stem)
    return int(match[1]) if match else None
