"""Records of a file, each with the place it came from, so that every complaint can name the line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from counterpoise.errors import DataError, MissingExtraError, error_line, nearest
from counterpoise.files import JsonFault, open_regular, parse_json, read_text
from counterpoise.golds import gold_text, stated
from counterpoise.plugins import is_plugin
from counterpoise.tasks.shared.conversation import conversation
from counterpoise.types import Problem

__all__ = [
    "NO_RECORD",
    "Record",
    "jsonl_records",
    "located",
    "parquet_records",
    "reads_records",
    "records",
    "stored_columns",
]


NO_RECORD: Final[Mapping[str, Any]] = MappingProxyType({})
"""Of a problem whose verifier reads no record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line or row."""

    where: str
    """`file:line`, or `file: row n`."""
    fields: Mapping[str, Any]
    """Its content."""

    def value(self, field: str) -> Any:
        """What a field holds; `reward_model.ground_truth` is the field `ground_truth` in `reward_model`, unless there is one of that name.

        Raises:
            DataError: there is none.
        """
        value: Any = self.fields
        parts = [field] if field in self.fields else field.split(".")
        for depth, part in enumerate(parts):
            if not isinstance(value, Mapping):
                above = ".".join(parts[:depth])
                raise DataError(
                    f"{self.where}: no field '{field}': '{above}' is {_kind(value)} {str(value)[:40]!r}, not an object"
                )
            if part not in value:
                present, above = list(value), ".".join(parts[:depth])
                within = f"'{above}' has" if above else "The fields are"
                raise DataError(
                    f"{self.where}: no field '{field}'{nearest(part, present, within)}: {', '.join(present) or 'none'}"
                )
            value = value[part]
        return value

    def asked(self, field: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        """A question: a text, or the last message of a conversation and (role, text) of those before it.

        Raises:
            DataError: it is missing, empty, or neither.
        """
        value = self.value(field)
        if isinstance(value, list):
            return conversation(value, where=self.where, field=field)
        return self.text(field), ()

    def text(self, field: str) -> str:
        """A field that must be text with something in it; white space around it is dropped.

        Raises:
            DataError: it is missing, no text, or empty.
        """
        value = self.value(field)
        if not isinstance(value, str):
            quotes = "; write it between quotes" if isinstance(value, (bool, int, float)) else ""
            raise DataError(
                f"{self.where}: field '{field}': expected text, found {_kind(value)} {str(value)[:40]!r}{quotes}"
            )
        if not value.strip():
            raise DataError(f"{self.where}: field '{field}' is empty; fill it or remove the record")
        return value.strip()

    def worked(self, field: str) -> str:
        """A worked answer: text, or a number where the bare one is a right response.

        Raises:
            DataError: it is missing, empty or neither.
        """
        value = self.value(field)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return self.gold(field) if number else self.text(field)

    def gold(self, field: str) -> str:
        """A gold: text, a number, or a list of right answers (`verifiers.accepted.gold_text`).

        Raises:
            DataError: it is missing, empty or none of these.
        """
        value = self.value(field)
        if isinstance(value, str):
            return stated(self.text(field)).strip()
        gold = gold_text(value)
        if gold is None:
            inner = [f"{field}.{name}" for name in value] if isinstance(value, Mapping) else []
            raise self.error(
                field, "text, a number or a list of them", f"; name one of {', '.join(inner)}" if inner else ""
            )
        return gold.strip()

    def error(self, field: str, expected: str, way: str = "") -> DataError:
        """The complaint about a field that is not as it should be; `way` says what to do."""
        try:
            value = self.value(field)
        except DataError:
            value = None
        return DataError(
            f"{self.where}: field '{field}': expected {expected}, found {_kind(value)} {str(value)[:40]!r}{way}"
        )


def records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    """The records of a file: Parquet where its name says so, of which those of `columns` that are there are read, or all; else JSON lines.

    Raises:
        MissingExtraError: `pyarrow` is not installed. DataError: the file is malformed, or has none of the columns.
    """
    if path.suffix != ".parquet":
        yield from jsonl_records(path)
        return
    parquet = _parquet()
    try:
        with open_regular(path) as handle:
            present = parquet.read_schema(handle).names
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error_line(error)}); copy it again") from error
    chosen = [column for column in columns or present if column in present]
    if not chosen:
        raise DataError(f"{path}: none of the columns {', '.join(columns)}; the columns are: {', '.join(present)}")
    yield from parquet_records(path, chosen)


def jsonl_records(path: Path) -> Iterator[Record]:
    """The JSON objects of a UTF-8 file, one a line; blank lines are skipped.

    Raises:
        DataError: a line is not UTF-8, not JSON, or not an object; the message has file and line.
    """
    with _opened(path) as handle:
        for number, raw in enumerate(handle, start=1):
            where = f"{path}:{number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{where}: expected UTF-8 text, found byte 0x{raw[error.start]:02x} at column {error.start + 1}; "
                    "convert the file with: iconv -f LATIN1 -t UTF-8"
                ) from error
            if not line:
                continue
            try:
                value = parse_json(line, large_integers=True)
            except JsonFault as error:
                found = line if len(line) <= 60 else line[:60] + "…"
                raise DataError(f"{where}: expected one JSON object, found {found!r} ({error})") from error
            if not isinstance(value, dict):
                raise DataError(f"{where}: expected one JSON object, found {_kind(value)}; write one {{…}} per line")
            yield Record(where=where, fields=value)


def json_records(path: Path) -> Iterator[Record]:
    """The objects of a UTF-8 file that is one JSON array.

    Raises:
        DataError: the file is not such an array, or an element is not an object; the message has file and element.
    """
    try:
        values = parse_json(read_text(path), large_integers=True)
    except (OSError, JsonFault) as error:
        raise DataError(f"{path}: expected one JSON array of objects, found something else ({error})") from error
    if not isinstance(values, list):
        raise DataError(f"{path}: expected one JSON array of objects, found {_kind(values)}")
    for number, value in enumerate(values, start=1):
        where = f"{path}: element {number}"
        if not isinstance(value, dict):
            raise DataError(f"{where}: expected a JSON object, found {_kind(value)}")
        yield Record(where=where, fields=value)


def parquet_records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    """The rows of a Parquet file; only `columns` are read (all, for none), batch by batch.

    Raises:
        MissingExtraError: `pyarrow` is not installed.
        DataError: the file is not a Parquet file or lacks a column.
    """
    parquet = _parquet()
    try:
        with open_regular(path) as handle, parquet.ParquetFile(handle) as file:
            chosen = stored_columns(columns, file.schema_arrow.names, where=str(path))
            row = 0
            for batch in file.iter_batches(columns=chosen):
                for fields in batch.to_pylist():
                    row += 1
                    yield Record(where=f"{path}: row {row}", fields=fields)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error_line(error)}); copy it again") from error


def stored_columns(fields: Sequence[str], present: Sequence[str], *, where: str) -> list[str]:
    """The columns that hold these fields, each once: of a nested one, `reward_model.ground_truth`, the outermost; all, for none.

    Raises:
        DataError: one of them is not there.
    """
    chosen = []
    for field in fields:
        column = field if field in present else field.partition(".")[0]
        if column not in present:
            raise DataError(
                f"{where}: no column '{column}'{nearest(column, present, 'The columns are')}: {', '.join(present)}"
            )
        chosen.append(column)
    return list(dict.fromkeys(chosen)) or list(present)


def reads_records(verifier: str) -> bool:
    """Whether a verifier is one that gets every field of a problem's record: none of ours is."""
    return is_plugin("verifier", verifier)


def located(records: Iterable[Record], make: Callable[[Record], Problem]) -> Iterator[Problem]:
    """The problem of each record, which then knows where it came from."""
    return (replace(make(record), source=record.where) for record in records)


def _opened(path: Path) -> BufferedReader:
    try:
        return open_regular(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", extra="parquet", purpose="a Parquet file of problems") from error
    return parquet


def _kind(value: object) -> str:
    names = {list: "an array", dict: "an object", bool: "a boolean", int: "a number", float: "a number", str: "a text"}
    return names.get(type(value), "null" if value is None else type(value).__name__)
