import importlib.util
import inspect
import sys

from counterpoise.api.data import kept_rows, reference_of


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


def test_equal_rows_are_one_file(tmp_path):
    first = kept_rows([{"question": "1", "answer": 1}], tmp_path)
    assert kept_rows(iter([{"question": "1", "answer": 1}]), tmp_path) == first
    assert kept_rows([{"question": "1", "answer": 2}], tmp_path) != first
    assert first.read_text() == '{"question": "1", "answer": 1}\n'
