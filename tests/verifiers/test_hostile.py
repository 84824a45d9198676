"""Every verifier against every family of hostile texts: bounded time and memory, no verdict it may not give, and the next one is right."""

import functools
import importlib
import importlib.util
import json
import os
import re
import threading
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterpoise.files import append_json_lines, read_json_lines
from counterpoise.types import Problem, VerdictValue
from counterpoise.verifiers.judge import Judge
from counterpoise.verifiers.registry import VERIFIERS, make_verifier
from counterpoise.verifiers.sandbox.levels import best_level

_SPEC = importlib.util.spec_from_file_location("hostile_text", Path(__file__).with_name("hostile_text.py"))
assert _SPEC is not None and _SPEC.loader is not None
hostile_text = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hostile_text)
FAMILIES, PRESENTATIONS = hostile_text.FAMILIES, hostile_text.PRESENTATIONS

# CPU seconds of this process. A quiet machine needs 0.05 at most for 100,000 characters; what is quadratic takes minutes.
LONG, LONG_SECONDS = 100_000, 0.5
# Of the pumped patterns: three times what the slowest needs, the claims of `choice`. Quadratic ones take 30 microseconds at 10,000.
SECONDS_PER_CHARACTER = 15e-6
MEMORY_MB = 512
PROGRAM_FAMILIES = [
    *("null bytes", "lone surrogates", "bidi overrides", "control characters", "deep program", "nested lists"),
    *("huge integer", "indented program", "forged verdict", "quotes"),
]
# Beyond the caps, or past any deadline of computer algebra.
HANGING_FORMULAS = ["nested brackets", "braced tower"]
FORMULAS = [
    *(
        "one token",
        "null bytes",
        "terminal escapes",
        "lone surrogates",
        "bidi overrides",
        "homoglyph digits",
        "huge integer",
    ),
    *("signs", "fractions", "huge exponent", "sum of numbers", "macro recursion", "half a fraction", "root chain"),
    *("binomials", "long sum", "environments", "unit product", "quotes", "contradictions", "injection"),
]


class Case(NamedTuple):
    gold: str
    right: str
    settings: dict
    program: bool = False


CASES = {
    "choice": Case("Z of 26", r"\boxed{Z}", {}),
    "code": Case(
        json.dumps({"kind": "asserts", "tests": "assert solve(3) == 9"}),
        "```python\ndef solve(n):\n    return n * n\n```",
        {"seconds": 1},
        program=True,
    ),
    "countdown": Case("3,7,8=29", r"\boxed{3*7+8}", {}),
    "exact": Case("kestrel", r"\boxed{kestrel}", {}),
    # Nobody listens there: what the rules do not decide is unscored.
    "llm": Case(
        "kestrel",
        "The answer is Kestrel.",
        {"url": "http://127.0.0.1:9/v1", "model": "m", "retries": 0, "timeout": 2.0, "patience": 1},
    ),
    "last_letter": Case("k", "The letter of them is K.", {}),
    "last_number": Case("7301", "The largest of them is 7,301.0", {}),
    "math": Case("x^{3}+7301", r"\boxed{7301+x^3}", {}),
    "numeric": Case("7301", r"\boxed{7,301.0}", {}),
    "qa": Case("kestrel", "The answer is Kestrel.", {}),
    "quantity": Case("7301 kJ", r"\boxed{7.301\,\mathrm{MJ}}", {}),
    "reasoning_gym": Case(
        json.dumps({"generator": "chain_sum", "options": {}, "answer": "7301", "metadata": {}}),
        "<answer>7301</answer>",
        {},
    ),
    "steps": Case(json.dumps({"answer": "7301", "steps": ["7300+1=7301"]}), "7300+1=7301\n#### 7301", {}),
    "stdio": Case(
        json.dumps({"inputs": ["3\n"], "outputs": ["9\n"]}),
        "```python\nprint(int(input()) ** 2)\n```",
        {"seconds": 1},
        program=True,
    ),
}


def made(name):
    if CASES[name].program:
        try:
            best_level()
        except Exception as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
    return make_verifier(name, **CASES[name].settings)


def problem(name):
    return Problem(problem_id=name, task_type="test", question="?", gold=CASES[name].gold, verifier=name)


def legal(found):
    assert re.fullmatch("[a-z_]+", found.basis)
    assert found.answer is None or (found.answer and len(found.answer) <= 65_536)


def test_every_registered_verifier_has_a_case():
    assert set(CASES) == set(VERIFIERS), "CASES has one line for each verifier: a gold, a right response, settings"


@pytest.mark.parametrize("name", CASES)
def test_a_hundred_thousand_characters_are_read_in_no_time(within, name):
    verifier = made(name)
    # Each verifier meets each family in one presentation, in another than the verifier before it.
    turn = list(CASES).index(name)
    for place, (family, text) in enumerate(FAMILIES.items()):
        way = list(PRESENTATIONS)[(place + turn) % len(PRESENTATIONS)]
        response = PRESENTATIONS[way](text(LONG))
        assert within(LONG_SECONDS, lambda response=response: legal(verifier.extract(response))), (family, way)


@functools.cache
def pumped(size):
    """Distinct texts, each with the name of the first pattern that it pumps."""
    modules = (
        *("text.extraction", "text.choice_text", "text.presentation", "text.quantity_text", "guests.programs"),
        *("compare.choice", "compare.countdown", "compare.steps"),
    )
    texts = {}
    for module in modules:
        for name, pattern in vars(importlib.import_module(f"counterpoise.verifiers.{module}")).items():
            if isinstance(pattern, re.Pattern):
                for start, pump in hostile_text.pumps(pattern):
                    for end in ("!", "`"):
                        texts.setdefault(start + pump * (size // len(pump)) + end, f"{module}.{name}")
    return texts


@pytest.mark.parametrize("name", ["math", "qa", "reasoning_gym", "choice", "countdown", "quantity", "code"])
def test_no_regular_expression_of_an_extractor_is_worse_than_linear(within, name):
    verifier = made(name)
    for size in (24, 1_000, 10_000):
        for text, pattern in pumped(size).items():
            for response in (text, f"answer: {text}"):
                limit = 0.005 + size * SECONDS_PER_CHARACTER
                assert within(limit, lambda response=response: verifier.extract(response)), (pattern, response[:40])


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_extraction_is_total(name, data):
    response = data.draw(hostile_text.responses(3_000))
    legal(made(name).extract(response))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.program and name != "math"])
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_text_without_the_gold_is_right(name, judge, data):
    response = data.draw(hostile_text.responses(3_000))
    hostile, right = judge.verify([problem(name)] * 2, [response, CASES[name].right])
    assert hostile.value is not VerdictValue.CORRECT
    assert hostile.scored or hostile.reason
    assert right.value is VerdictValue.CORRECT


@pytest.fixture(scope="module")
def judge():
    with Judge(timeout=2.0, workers=1, memory_mb=MEMORY_MB, settings={n: c.settings for n, c in CASES.items()}) as made:
        yield made


class PeakMemory:
    """The largest resident size, in mebibytes, that a child of this process reached meanwhile."""

    def __enter__(self):
        self.megabytes, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.wait(0.05):
            for child in psutil.Process().children(recursive=True):
                try:
                    self.megabytes = max(self.megabytes, child.memory_info().rss / 2**20)
                except psutil.Error:
                    continue


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_batch_of_every_family_costs_only_itself(name, judge):
    made(name)
    case = CASES[name]
    families = PROGRAM_FAMILIES if case.program else HANGING_FORMULAS + FORMULAS if name == "math" else FAMILIES
    sizes = (3_900,) if case.program else (40,) if name in ("math", "quantity") else (40, 3_900)
    way = PRESENTATIONS["fenced" if case.program else "tagged" if name == "reasoning_gym" else "boxed"]
    responses = [way(FAMILIES[family](size)) for family in families for size in sizes]
    # Right ones among them: nothing that is queued beside a bomb is lost.
    mixed = [text for response in responses for text in (response, case.right)]
    with PeakMemory() as peak:
        verdicts = judge.verify([problem(name)] * len(mixed), mixed)
    for response, hostile, right in zip(responses, verdicts[::2], verdicts[1::2], strict=True):
        assert right.value is VerdictValue.CORRECT
        assert hostile.value is not VerdictValue.CORRECT, response
        if not hostile.scored:
            assert re.match("timeout: 2 s|memory: |crash: |judge (connection failed|given up)", hostile.reason), hostile
    if name == "math":
        assert all(verdict.scored for verdict in verdicts)  # what hangs is the answer's fault
    # What a worker needs to start (sympy, pint and reasoning-gym) and what it may take beyond.
    assert peak.megabytes < MEMORY_MB + 400


def test_verdicts_on_hostile_texts_survive_a_file(tmp_path, judge):
    texts = [PRESENTATIONS["boxed"](text(60)) for text in FAMILIES.values()]
    verdicts = judge.verify([problem("exact")] * len(texts), texts)
    path = tmp_path / "verdicts.jsonl"
    append_json_lines(path, [{"response": t, "answer": v.answer} for t, v in zip(texts, verdicts, strict=True)])
    records = list(read_json_lines(path, on_damage=lambda damage: pytest.fail(str(damage))))
    assert [(r["response"], r["answer"]) for r in records] == [
        (t, v.answer) for t, v in zip(texts, verdicts, strict=True)
    ]


def test_the_families_are_as_long_as_they_are_asked_to_be():
    for family, text in FAMILIES.items():
        for size in (1, 100, LONG):
            assert len(text(size)) <= 1.05 * size + 120, family
