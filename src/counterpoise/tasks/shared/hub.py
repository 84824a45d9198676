"""Records of a data set through `datasets`: of the Hugging Face hub, or one that its `save_to_disk` wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from counterpoise.errors import ConfigError, DataError, MissingExtraError, error_line
from counterpoise.ranges import ON_HUB
from counterpoise.tasks.shared.records import Record

__all__ = ["HubName", "hub_records", "is_saved", "saved_records"]

_PARTS: Final = re.compile(r"([^:\s]+)(?::([^:\[\]\s]+))??(?::([^:\[\]\s]+(?:\[[^\[\]]*\])?))?")
_DICT: Final = "dataset_dict.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubName:
    """A data set of the hub, as `hub:NAME`, `hub:NAME:SPLIT` or `hub:NAME:CONFIGURATION:SPLIT` write it."""

    repository: str
    """E.g. `openai/gsm8k`."""
    config: str | None
    """Its configuration, where it has several."""
    split: str | None
    """Its split, or a slice such as `train[:100]`; None takes that of the side it is given for."""

    @classmethod
    def of(cls, source: str | Path) -> HubName | None:
        """What a source says; None where it is not a data set of the hub.

        Raises:
            ConfigError: it begins like one and is none.
        """
        text = str(source)
        if not text.startswith(ON_HUB):
            return None
        match = _PARTS.fullmatch(text.removeprefix(ON_HUB))
        if match is None:
            raise ConfigError(
                f"'{text}' names no data set; write hub:NAME, hub:NAME:SPLIT or hub:NAME:CONFIGURATION:SPLIT, "
                "e.g. hub:openai/gsm8k:main:train"
            )
        return cls(repository=match[1], config=match[2], split=match[3])


def hub_records(
    repository: str, *, config: str | None, split: str, task: str, columns: Sequence[str] = ()
) -> Iterator[Record]:
    """The rows of one split of a hub dataset; downloaded once, then read from the hub's own cache.

    Args:
        repository: its name, e.g. `openai/gsm8k`.
        config: its configuration, where it has several.
        split: its split.
        task: who asks, for messages.
        columns: what is read of each row, where all of them are there; empty reads all.

    Raises:
        MissingExtraError: `datasets` is not installed.
        DataError: the hub cannot be reached, or has no such dataset.
    """
    datasets = _datasets(f"the task '{task}' without local files (train=FILE, test=FILE)")
    place = f"{repository}{f' ({config})' if config else ''}, {split}"
    try:
        rows: Any = datasets.load_dataset(repository, config, split=split)
    except Exception as error:  # the hub's client raises dozens of kinds, and each means the same to the user
        raise DataError(
            f"task '{task}': cannot read {place} from the Hugging Face hub ({error_line(error)}); check the network, "
            "or download the files elsewhere and give train=FILE and test=FILE"
        ) from error
    yield from _rows(rows, place, columns)


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` of `datasets` wrote it."""
    return (folder / _DICT).is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def saved_records(folder: Path, *, side: str | None, columns: Sequence[str] = ()) -> Iterator[Record]:
    """The rows of a data set that `save_to_disk` wrote.

    Args:
        folder: where.
        side: `train` or `test`, which of several splits is read; None where one is for both sides.
        columns: what is read of each row, where all of them are there; empty reads all.

    Raises:
        MissingExtraError: `datasets` is not installed.
        DataError: it is damaged, or has no such split.
    """
    datasets = _datasets(f"the saved data set {folder}")
    try:
        found: Any = datasets.load_from_disk(str(folder))
    except Exception as error:
        raise DataError(
            f"{folder}: no readable data set ({error_line(error)}); save it again with save_to_disk"
        ) from error
    place = str(folder)
    if (folder / _DICT).is_file():
        splits = list(found)
        if side not in splits:
            what = "both sides are asked of it" if side is None else f"has no split '{side}'"
            raise DataError(
                f"{folder} {what}, and its splits are: {', '.join(splits) or 'none'}; give the folder of one, e.g. "
                f"{folder / (splits[0] if splits else 'train')}"
            )
        found, place = found[side], f"{folder} ({side})"
    yield from _rows(found, place, columns)


def _rows(rows: Any, place: str, columns: Sequence[str]) -> Iterator[Record]:
    chosen = [name if name in (present := rows.column_names) else name.partition(".")[0] for name in columns]
    if chosen and all(name in present for name in chosen):  # an image that nobody asks for would be decoded
        rows = rows.select_columns(list(dict.fromkeys(chosen)))
    for number, row in enumerate(rows, start=1):
        yield Record(where=f"{place}: row {number}", fields=row)


def _datasets(purpose: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", extra="hub", purpose=purpose) from error
    return datasets
