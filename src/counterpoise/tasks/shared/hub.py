"""Records of a dataset on the Hugging Face hub, through `datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from counterpoise.errors import DataError, MissingExtraError
from counterpoise.tasks.shared.records import Record

__all__ = ["hub_records"]


def hub_records(repository: str, *, config: str | None, split: str, task: str) -> Iterator[Record]:
    """The rows of one split of a hub dataset; downloaded once, then read from the hub's own cache.

    Raises:
        MissingExtraError: `datasets` is not installed.
        DataError: the hub cannot be reached, or has no such dataset.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(
            "datasets",
            extra="hub",
            purpose=f"the task '{task}' without local files (train=FILE, test=FILE)",
        ) from error
    place = f"{repository}{f' ({config})' if config else ''}, {split}"
    try:
        rows: Any = datasets.load_dataset(repository, config, split=split)
    except Exception as error:  # the hub's client raises dozens of kinds, and each means the same to the user
        detail = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"task '{task}': cannot read {place} from the Hugging Face hub ({detail}); check the network, "
            "or download the files elsewhere and give train=FILE and test=FILE"
        ) from error
    for number, row in enumerate(rows, start=1):
        yield Record(where=f"{place}: row {number}", fields=row)
