import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from counterpoise.api.data import kept_rows, reference_of
from counterpoise.errors import ConfigError


def right(response, gold, *, question, meta):
    return gold in response


def test_a_function_of_a_file_is_named_by_the_file(tmp_path):
    # Of a module without a place on the path of other programs.
    path = tmp_path / "rewards_of_nobody.py"
    path.write_text("def right(response, gold, *, question, meta):\n    return gold in response\n")
    spec = importlib.util.spec_from_file_location("rewards_of_nobody", path)
    module = sys.modules["rewards_of_nobody"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert reference_of(module.right, tmp_path) == f"{path.resolve()}:right"


def test_a_function_of_a_package_is_named_by_the_package(tmp_path):
    assert reference_of(inspect.cleandoc, tmp_path) == "inspect:cleandoc"


SCRIPT = """
import math as m
import re
from pathlib import Path
from counterpoise.api.data import reference_of

ENDS = {"yes", "ja"}
LIMIT = 0.5


class Half:
    def of(self, x):
        return m.floor(x) * LIMIT

def helper(text):
    return [re.sub("a", "b", part) for part in text.split() if part not in ENDS]

def check(response, gold, *, question, meta):
    def inner():
        return helper(response)
    return Half().of(len(inner())) >= 0

handle = open(__file__)

def bad(response, gold, *, question, meta):
    return handle.read()

if __name__ == "__main__":
    print(reference_of(check, Path("kept")))
    try:
        reference_of(bad, Path("kept"))
    except Exception as error:
        print(error)
"""


def test_a_function_of_the_running_program_is_written_down_with_what_it_uses(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    paths = []
    for _ in range(2):  # the order of a set changes from process to process, the file must not
        done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
        reference, refused = done.stdout.splitlines()
        paths.append(reference)
    assert paths[0] == paths[1]
    assert "uses handle, which holds a TextIOWrapper" in refused
    path, _, name = reference.rpartition(":")
    spaces = {}
    exec(compile(Path(path).read_text(), path, "exec"), spaces)
    assert spaces[name]("yes banana", "x", question="", meta={}) is True
    assert "handle" not in spaces


def test_what_has_no_name_or_holds_a_closure_is_refused(tmp_path):
    def within(response, gold):
        return tmp_path

    for function, words in ((lambda r, g: True, "no function of a module's top level|lambda"), (within, "top level")):
        with pytest.raises(ConfigError, match=words):
            reference_of(function, tmp_path)


def test_equal_rows_are_one_file(tmp_path):
    first = kept_rows([{"question": "1", "answer": 1}], tmp_path)
    assert kept_rows(iter([{"question": "1", "answer": 1}]), tmp_path) == first
    assert kept_rows([{"question": "1", "answer": 2}], tmp_path) != first
    assert first.read_text() == '{"question": "1", "answer": 1}\n'
