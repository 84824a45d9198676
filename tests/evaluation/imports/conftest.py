"""Write a file of another tool's rows and read it back as draws."""

import json

import pytest

from counterpoise.evaluation.imports.refused import Refused
from counterpoise.evaluation.imports.source import open_sources


@pytest.fixture
def written(tmp_path):
    """`written(name, *rows)`: a Parquet or JSON-lines file by its suffix; the path."""

    def write(name, *rows):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            import pyarrow
            from pyarrow import parquet

            parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def read():
    """`read(path, format, filter=…, gold=…)`: the source, its draws, and what was refused."""

    def run(path, name="auto", filter=None, **named):
        [source] = open_sources([path], name, named, filter)
        refused = Refused()
        return source, [draw for _, draw in source.draws(refused.add)], refused

    return run
