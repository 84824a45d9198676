import ast

from counterpoise.verifiers.sandbox.examiner import _exception, _same, split_asserts


def shares(tests, **names):
    """Numbers of the asserts that held and of those that did not."""
    tree, count = split_asserts(tests)
    passed, failed = set(), set()
    names |= {"__counterpoise_passed__": passed.add, "__counterpoise_failed__": failed.add}
    exec(compile(tree, "<tests>", "exec"), names)
    return count, sorted(passed), sorted(failed)


def test_each_assert_is_a_test():
    assert shares("assert f(1) == 1\nassert f(2) == 3\nassert f(3) == 3", f=int) == (3, [0, 2], [1])


def test_an_exception_fails_one_test():
    assert shares("assert 1 / f == 1\nassert f == 0", f=0) == (2, [1], [0])


def test_an_assert_in_a_loop_is_one_test_that_must_hold_each_time():
    assert shares("for x in range(3):\n    assert f(x) < 2", f=int) == (1, [0], [0])


def test_constants_are_no_tests():
    assert shares("assert True, 'prints when it fails'\nassert f", f=1) == (1, [0], [])


def test_asserts_in_functions_and_with_messages():
    assert shares("def check(c):\n    if c:\n        assert c == 2, 'm'\ncheck(f)", f=2) == (1, [0], [])


def test_the_rest_is_left_as_it_is():
    tree, _ = split_asserts("x = 1\nfor i in y:\n    print(i)")
    assert ast.unparse(tree) == "x = 1\nfor i in y:\n    print(i)"


def test_exceptions_of_python_keep_their_class():
    assert isinstance(_exception("ValueError", "m"), ValueError)
    assert isinstance(_exception("KeyError", "m"), KeyError)
    # One that tests could take for their own, one that ends a process, one that is none, one that needs arguments.
    for name in ("AssertionError", "SystemExit", "KeyboardInterrupt", "eval", "UnicodeDecodeError", "__import__", 7):
        error = _exception(name, "m")
        assert isinstance(error, Exception) and type(error).__name__ == "_CandidateError"


def test_results_of_cases_are_compared_strictly():
    assert _same(0.1 + 0.2, 0.3) and _same([1, [2.0]], [1, [2.0000001]]) and _same(1.0, 1)
    assert (
        not _same(True, 1)
        and not _same(True, 1.0)
        and not _same("1", 1)
        and not _same([1], [1, 2])
        and not _same(None, 0)
    )
