"""What is put off until it is used: patterns compile with their first use, and importing what judges compiles none of them."""

import copy
import importlib.util
import pickle
import re
import sys
from pathlib import Path

import pytest

import counterpoise.verifiers
from counterpoise.lazy import compiled

FOLDER = Path(counterpoise.verifiers.__file__).parent
MODULES = sorted(path for room in ("text", "compare") for path in (FOLDER / room).glob("[a-z]*.py"))


@pytest.fixture
def asked(monkeypatch):
    """Texts that our own code asks `re.compile` for."""
    texts, compile_pattern = [], re.compile

    def compile_and_note(text, flags=0):
        if sys._getframe(1).f_globals["__name__"].startswith("counterpoise."):
            texts.append(text)
        return compile_pattern(text, flags)

    monkeypatch.setattr(re, "compile", compile_and_note)
    return texts


def test_a_pattern_is_compiled_once_and_when_it_is_used(asked):
    pattern = compiled(r"(?P<word>a+)b", re.IGNORECASE)
    assert asked == []
    assert pattern.fullmatch("AAb")["word"] == "AA"
    assert pattern.sub("x", "ab, b") == "x, b"
    assert (pattern.pattern, pattern.groups, pattern.fullmatch("c")) == (r"(?P<word>a+)b", 1, None)
    assert asked == [r"(?P<word>a+)b"]


@pytest.mark.parametrize("remake", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_pattern_is_copied_whether_it_was_used_or_not(remake):
    fresh, used = compiled("a+"), compiled("a+")
    assert used.match("aa")
    assert [remake(one).findall("aab") for one in (fresh, used)] == [["aa"], ["aa"]]


def test_a_pattern_that_is_none_is_an_error_where_it_is_used():
    pattern = compiled("(")
    with pytest.raises(re.error, match="unterminated subpattern"):
        pattern.match("")
    with pytest.raises(AttributeError, match="matches"):
        compiled("a").matches("a")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_importing_what_judges_compiles_no_pattern(asked, path):
    spec = importlib.util.spec_from_file_location(f"counterpoise.verifiers.{path.parent.name}._again", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    assert asked == []
