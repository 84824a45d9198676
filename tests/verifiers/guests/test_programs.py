import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.verifiers.guests.programs import MAX_PROGRAM, defines, extract_program, first_block

CODE = "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    ("response", "answer", "rule"),
    [
        (f"So:\n```python\n{CODE}```\nDone.", CODE, "fence"),
        (f"```py\n{CODE}```", CODE, "fence"),
        (f"~~~python\n{CODE}~~~", CODE, "fence"),
        (f"````python\n```\n{CODE}````", f"```\n{CODE}", "fence"),
        (f"```\n{CODE}```", CODE, "fence"),
        # The last Python block, whatever output is shown after it.
        (f"```python\nold\n```\n```python\n{CODE}```\n```\n3\n```\n```text\n4\n```", CODE, "fence"),
        (f"1. Like this:\n   ```python\n   {CODE.strip().replace(chr(10), chr(10) + '   ')}\n   ```", CODE, "fence"),
        (f"```python\n{CODE}", CODE + "\n", "fence_open"),
        ("    return x\n", "    return x\n", "completion"),
        ("\n    return x\n", "    return x\n", "completion"),
        (CODE, CODE, "raw"),
        ("n = int(input())\nprint(n)", "n = int(input())\nprint(n)", "raw"),
        ("for i in range(3):\n    print(i)", "for i in range(3):\n    print(i)", "raw"),
        (f"<think>\n```python\nwrong\n```\n</think>\n```python\n{CODE}```", CODE, "fence"),
        (f"<think>\n```python\n{CODE}```", None, "unclosed_think"),
        ("I do not know.", None, "none"),
        ("", None, "none"),
        ("\\boxed{3}", None, "none"),
        ("```python\n```", None, "fence_empty"),
        ("```cpp\nint main() {}\n```", None, "fence_other_language"),
        ("```python\n" + "x" * MAX_PROGRAM + "\n```", None, "fence_too_long"),
    ],
)
def test_extraction(response, answer, rule):
    extraction = extract_program(response)
    assert (extraction.answer, extraction.basis) == (answer, rule)


@given(st.text(alphabet="`~python \n\t<think>/de(f):x=\x00\u202e", max_size=300))
def test_it_never_raises(text):
    extraction = extract_program(text)
    assert extraction.answer is None or extraction.answer.strip()


def test_it_is_linear():
    for text in (
        "```\n" * 200_000,
        "`" * 1_000_000,
        "~~~py\n" * 100_000,
        "a" * 1_000_000,
        " " * 1_000_000,
        "def " * 300_000,
        "~" * 1_000_000 + "`",
        "~~~" + " " * 1_000_000 + "`",
    ):
        extract_program(text)


def test_what_a_program_defines():
    assert (
        defines("import re\n\nasync def f(x): ...", "f")
        and defines("f = lambda x: x", "f")
        and defines("class f: ...", "f")
    )
    assert not defines("def ff(x): ...", "f") and not defines("    def f(x): ...", "f") and not defines("f == 1", "g")


def test_a_completion_ends_where_something_else_begins():
    assert first_block("    return 1\n\n    # more\n\ndef g():\n    pass\n") == "    return 1\n\n    # more\n\n"
    assert first_block("    return 1") == "    return 1"
