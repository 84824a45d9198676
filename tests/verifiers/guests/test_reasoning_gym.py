import json
import math
import pathlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import MissingExtraError, VerifierError
from counterpoise.types import Problem
from counterpoise.verifiers.guests import reasoning_gym as module
from counterpoise.verifiers.guests.reasoning_gym import (
    EXPRESSIONS,
    LITERALS,
    REVIEWED,
    ReasoningGymVerifier,
    dangerous_calls,
    plain_arithmetic,
)
from counterpoise.verifiers.judge import Judge
from counterpoise.verifiers.sandbox.process import SandboxFault

VERIFIER = ReasoningGymVerifier()


def gold(generator, answer, metadata=None, options=None):
    return json.dumps({"generator": generator, "options": options or {}, "answer": answer, "metadata": metadata or {}})


def judge(text, answer):
    judgement = VERIFIER.judge(text, answer)
    return judgement.value.value, judgement.basis, dict(judgement.parts)


# --- what the installed package runs -------------------------------------------------------------------------------------

KNOWN_FILES = {
    "algebra/intermediate_integration.py": ["sympy.parse_expr"] * 2,
    "algebra/polynomial_multiplication.py": ["sp.parse_expr"] * 2,
    "algebra/simple_integration.py": ["sympy.parse_expr"] * 2,
    "algorithmic/binary_matrix.py": ["eval"],
    "algorithmic/number_sorting.py": ["eval"],
    "algorithmic/spiral_matrix.py": ["eval"],
    "algorithmic/string_insertion.py": ["eval"],
    "arithmetic/basic_arithmetic.py": ["eval"],
    "arithmetic/bitwise_arithmetic.py": ["eval"] * 2,
    "arithmetic/gsm_symbolic/generators_00_49.py": ["eval"],
    "arithmetic/gsm_symbolic/generators_50_99.py": ["eval"],
    "code/bf.py": ["Compiler.compile"],
    "code/codeio.py": ["exec"],
    "games/countdown.py": ["parse_expr"],
    "games/n_queens.py": ["eval"],
    "games/puzzle24.py": ["parse_expr"],
    "logic/propositional_logic.py": ["parse_expr"] * 5,
}
"""Every file of reasoning-gym 0.1.25 with a call through which text could be run, read by hand."""


def test_nothing_new_in_the_package_runs_text():
    module.prepare()
    import reasoning_gym

    root = pathlib.Path(reasoning_gym.__file__).parent
    found = {}
    for path in sorted(root.rglob("*.py")):
        # contrib holds the compiler of `bf`'s own little language, and coaching and composite read run files
        if "contrib" in path.parts or not (calls := dangerous_calls(path.read_text(encoding="utf-8"))):
            continue
        found[path.relative_to(root).as_posix()] = calls
    assert found == KNOWN_FILES, "read the new ones, then add them to LITERALS, EXPRESSIONS or REVIEWED"


def test_every_such_generator_is_in_one_of_the_lists():
    module.prepare()
    from reasoning_gym.factory import DATASETS

    refused = {name for name, (kind, _) in DATASETS.items() if module._refusal(name, kind)}
    assert refused == set()
    assert set(DATASETS) >= LITERALS | EXPRESSIONS | set(REVIEWED)
    assert len({*LITERALS, *EXPRESSIONS, *REVIEWED}) == len(LITERALS) + len(EXPRESSIONS) + len(REVIEWED)


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("eval(answer)", ["eval"]),
        ("import sympy as sp\nsp.sympify(a)", ["sp.sympify"]),
        ("run = exec", ["exec"]),
        ("subprocess.run(a)\npickle.loads(b)", ["subprocess.run", "pickle.loads"]),
        ("re.compile(a)", []),
        ("x.evaluate(a)", []),
    ],
)
def test_what_counts_as_dangerous(source, calls):
    assert dangerous_calls(source) == calls


def test_a_generator_nobody_has_read_is_refused(monkeypatch):
    monkeypatch.setattr(module, "LITERALS", frozenset())
    judgement = VERIFIER.judge(gold("spiral_matrix", "1"), "1")
    assert judgement.value == "unscored"
    assert judgement.reason == (
        "refused: the module of spiral_matrix calls eval, and nobody has read whether on a model's text"
    )


# --- no text is run ------------------------------------------------------------------------------------------------------

MARKER = "/tmp/counterpoise-reasoning-gym-ran"
PROGRAMS = [
    f"__import__('os').system('touch {MARKER}')",
    f"[open('{MARKER}', 'w')]",
    f"(lambda: open('{MARKER}', 'w'))()",
    f"[c for c in ().__class__.__base__.__subclasses__() if open('{MARKER}', 'w')]",
    f"exec(\"open('{MARKER}', 'w')\")",
    "Integer(1).__class__.__init__.__globals__",
    "x.subs(x, 1)",
    "9**9**9",
    "f'{open(1)}'",
    "(x := 1)",
    "lambda: 1",
    "x  # __import__('os')",
    "Integral(2*x, x)",
    "Function('open')(1)",
    'S("1")',
]


@pytest.mark.parametrize("generator", sorted(LITERALS | EXPRESSIONS))
def test_programs_are_wrong_and_do_not_run(generator, tmp_path):
    metadata = {"variable": "x", "integrand": "2*x", "numbers": [1, 2], "target": 3, "valid_answers": ["Q"]}
    path = pathlib.Path(MARKER)
    path.unlink(missing_ok=True)
    for program in PROGRAMS:
        assert judge(gold(generator, "x**2", metadata), program)[0] == "wrong"
    assert not path.exists()


@pytest.mark.parametrize(
    "text",
    ["3*7+9", "x**2/2 + C", "-x", "sin(3*x)**2", "2.5e3", "exp(x)*cos(x)", "a*b - c**9", "x**(3/2)", "pi", "( 1 )"],
)
def test_plain_arithmetic(text):
    assert plain_arithmetic(text)


@pytest.mark.parametrize(
    "text",
    [
        *PROGRAMS,
        *(
            "",
            "x.y",
            "x[0]",
            "'a'",
            "f'{x}'",
            "True",
            "1 < 2",
            "x if x else x",
            "[1]",
            "(1, 2)",
            "x, y",
            "x = 1",
            "x := 1",
        ),
        *(
            "open",
            "os",
            "sin",
            "sin(x=1)",
            "sin(*x)",
            "(x)(1)",
            "foo(1)",
            "3!",
            "2 3",
            "x^2",
            "1j",
            "~1",
            "x @ x",
            "await x",
        ),
        *("9**9**9", "(9**999)**999", "9**(99*99)", "1000000000000", "1e300", "x" * 513),
        *("٣", "x²", "x\x00", "lambda: 1", "...", "1\n2"),
        *("3 # __import__('os')", "-" * 511 + "1", "(" * 255 + "1" + ")" * 255),
    ],
)
def test_no_plain_arithmetic(text):
    assert not plain_arithmetic(text)


# --- scores --------------------------------------------------------------------------------------------------------------


def test_only_a_full_score_is_right():
    chain = gold("chain_sum", "12")
    assert judge(chain, "12") == ("correct", "score", {"score": 1.0})
    assert judge(chain, "+012.0")[0] == "correct"
    # the default scorer gives len(gold)/len(answer) to an answer that contains the gold: 2/8
    assert judge(chain, "12 or 13") == ("wrong", "score", {"score": 0.25})
    assert judge(chain, "13") == ("wrong", "score", {"score": 0.0})


def test_a_list_is_read_as_a_literal_for_partial_credit():
    assert judge(gold("spiral_matrix", "1 2 3"), "[1, 2, 3]") == ("wrong", "score", {"score": 0.1})


def test_expressions_reach_the_scorer():
    assert (
        judge(gold("simple_integration", "x**2 + C", {"variable": "x", "integrand": "2*x"}), "x**2 + 7")[0] == "correct"
    )
    assert judge(gold("simple_integration", "x**2 + C", {"variable": "x", "integrand": "2*x"}), "Integral(2*x, x)") == (
        *("wrong", "no_expression"),
        {"score": 0.0},
    )
    assert judge(gold("countdown", "1+2", {"numbers": [1, 2], "target": 3}), "2 + 1")[0] == "correct"
    assert judge(gold("countdown", "1+2", {"numbers": [1, 2], "target": 3}), "3")[2] == {"score": 0.05}


def test_tuples_come_back():
    metadata = {"output": {"__tuple__": [{"__tuple__": [1, 0]}, {"__tuple__": [0, 1]}]}}
    assert judge(gold("arc_agi", "1 0\n0 1", metadata), "1 0\n0 1")[0] == "correct"


def test_an_answer_the_scorer_chokes_on_is_wrong_and_a_broken_item_is_ours():
    assert judge(gold("prime_factorization", "2 × 3"), "two times three") == ("wrong", "unreadable", {"score": 0.0})
    broken = VERIFIER.judge(gold("prime_factorization", "two"), "2 × 3")
    assert broken.value == "unscored"
    assert broken.reason.startswith("crash: the scorer of prime_factorization raised ValueError")


@pytest.mark.parametrize(
    "text",
    [
        *("", "12", "{}", "[]", "null", '{"generator": "chain_sum"}', '{"answer": ' * 5000),
        gold("no_such", "1"),
        gold("chain_sum", "1", options={"x": 1}),
    ],
)
def test_golds_that_cannot_be_read(text):
    judgement = VERIFIER.judge(text, "1")
    assert judgement.value == "unscored"
    assert judgement.reason.startswith("unparsable gold")


def test_version_and_extraction():
    assert VERIFIER.version.startswith("4+reasoning-gym-0.")
    extraction = VERIFIER.extract("<think>x</think>\n<answer>\n1 2\n3 4\n</answer>")
    assert (extraction.answer, extraction.basis) == ("1 2\n3 4", "tagged")
    assert VERIFIER.extract(f"<answer>{'9' * 16_385}</answer>").basis == "tagged_too_long"


def test_without_the_package(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", absent)
    with pytest.raises(
        MissingExtraError,
        match=r"verifier 'reasoning_gym' needs the package 'reasoning-gym'.*pip install 'reasoning-gym>=",
    ):
        module.prepare()


def without_a_sandbox(monkeypatch):
    """As on a machine where no level works."""

    def refuse(**_):
        raise VerifierError("programs of a model cannot be run safely here (bwrap: bubblewrap is not installed)")

    monkeypatch.setattr(module, "thread_scorer", refuse)


@pytest.mark.parametrize("generator", sorted(LITERALS | EXPRESSIONS))
def test_without_a_sandbox_nothing_is_evaluated_and_the_reason_says_what_to_install(generator, monkeypatch):
    without_a_sandbox(monkeypatch)
    judgement = VERIFIER.judge(gold(generator, "1", {"valid_answers": ["1"]}), "1")
    assert judgement.value == "unscored"
    assert judgement.reason.startswith(
        "sandbox: this scorer evaluates answers and is run in a sandbox alone; install bubblewrap with: "
    )
    assert "bubblewrap (programs of a model cannot be run safely" in judgement.reason
    assert judge(gold("chain_sum", "12"), "12")[0] == "correct"
    module.prepare()  # a worker starts all the same


@pytest.mark.parametrize(
    ("found", "value", "reason"),
    [
        ({"score": 1.0}, "correct", None),
        ({"score": 1}, "correct", None),
        ({"score": True}, "unscored", "crash: the scorer of gcd ended in the sandbox (None; it has 4 s)"),
        ({"score": "1"}, "unscored", "crash: the scorer of gcd ended in the sandbox (None; it has 4 s)"),
        ({"score": math.inf}, "unscored", "crash: the scorer of gcd returned inf"),
        ({}, "unscored", "crash: the scorer of gcd ended in the sandbox (None; it has 4 s)"),
        (
            {"broke": "TimeoutError"},
            "unscored",
            "timeout: the scorer of gcd ended in the sandbox (TimeoutError; it has 4 s)",
        ),
        (
            {"broke": "MemoryError"},
            "unscored",
            "memory: the scorer of gcd ended in the sandbox (MemoryError; it has 4 s)",
        ),
        ({"raised": "ValueError: x", "own": False}, "unscored", "crash: the scorer of gcd raised ValueError: x"),
        ({"raised": "ValueError: x", "own": True}, "wrong", None),
    ],
)
def test_what_comes_out_of_the_sandbox_is_read_strictly(found, value, reason):
    judgement = module._judgement("gcd", found)
    assert (judgement.value, judgement.reason) == (value, reason)


def test_a_scorer_that_breaks_is_replaced(monkeypatch):
    class Broken:
        def score(self, *_, **__):
            raise SandboxFault("the scorer of reasoning-gym has gone")

    discarded = []
    monkeypatch.setattr(module, "thread_scorer", lambda **_: Broken())
    monkeypatch.setattr(module, "discard_scorer", lambda **given: discarded.append(given))
    judgement = VERIFIER.judge(gold("spiral_matrix", "1"), "1")
    assert (judgement.value, judgement.reason) == ("unscored", "sandbox: the scorer of reasoning-gym has gone")
    assert discarded == [{"unsafe": False}]


def test_in_the_pool():
    problem = Problem(
        problem_id="1", task_type="p", question="?", gold=gold("chain_sum", "12"), verifier="reasoning_gym"
    )
    sums = Problem(problem_id="2", task_type="n", question="?", gold="12", verifier="math")
    with Judge(timeout=20) as judges:
        verdicts = judges.verify([problem, problem, sums], ["<answer>12</answer>", "12", r"\boxed{12}"])
        evaluated = Problem(
            problem_id="3",
            task_type="p",
            question="?",
            gold=gold("countdown", "1+2", {"numbers": [1, 2], "target": 3}),
            verifier="reasoning_gym",
        )
        found = judges.verify([evaluated] * 2, ["<answer>2+1</answer>", "<answer>2*1</answer>"])
        assert [verdict.value.value for verdict in found] == ["correct", "wrong"]
        assert [(v.value.value, v.basis) for v in verdicts] == [
            ("correct", "tagged/score"),
            ("no_answer", "none/none"),
            ("correct", "boxed/identical"),
        ]
        assert dict(verdicts[0].parts) == {"score": 1.0}


HOSTILE = st.text(max_size=100) | st.sampled_from(
    ["\x00", "\u202e", "{", "[", "(", "[[", "9", "1,", "1 ", "-", "A=1,", "\ud800", "<answer>", "x**", "\n"]
).flatmap(lambda piece: st.integers(1, 100_000 // len(piece)).map(lambda count: piece * count))
GOLDS = [
    *(gold(name, "x", {"valid_answers": ["x"]}) for name in sorted(LITERALS)),
    gold("simple_integration", "x**2 + C", {"variable": "x", "integrand": "2*x"}),
    gold("polynomial_multiplication", "x**2"),
    gold("countdown", "1+2", {"numbers": [1, 2], "target": 3}),
    gold("chain_sum", "12"),
    gold("prime_factorization", "2 × 3"),
]


@settings(max_examples=60)
@given(st.sampled_from(GOLDS), HOSTILE)
def test_any_text_costs_little(text, response):
    started = time.perf_counter()
    answer = VERIFIER.extract(f"<answer>{response}</answer>").answer
    if answer is not None:
        try:
            judgement = VERIFIER.judge(text, answer)
        except (MemoryError, RecursionError):  # the pool makes it unscored
            return
        assert 0 <= judgement.parts.get("score", 0) <= 1
    assert time.perf_counter() - started < 5
