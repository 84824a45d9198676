"""Whose fault a comparison without a judgement is, and what a policy learns where nobody asks."""

import math
import signal
import sys
from functools import partial

import pytest
import torch

from counterpoise.credit import make_rule, signed_credit
from counterpoise.errors import UsageError, VerifierError
from counterpoise.types import Problem
from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.isolate import blame as blame_module
from counterpoise.verifiers.isolate.blame import Blame
from counterpoise.verifiers.isolate.fault import Fault, explain_exit, fault_of_error, fault_of_exit
from counterpoise.verifiers.isolate.pool import Outcome, VerifierPool, unscored
from counterpoise.verifiers.judge import Judge, verify_batch

ROGUE = '''
import os
import signal
import time
from dataclasses import dataclass

from counterpoise.types import Extraction, Judgement, VerdictValue

LEFT = []


@dataclass(frozen=True)
class Rogue:
    """Does what a text says: the gold's when it is asked for the gold, otherwise the answer's."""

    name: str = "rogue"
    version: str = "1"
    isolated: bool = True

    def extract(self, response: str) -> Extraction:
        return Extraction(answer=response, basis="whole")

    def judge(self, gold: str, answer: str) -> Judgement:
        for text in {gold, answer}:
            if text == "spin":
                while True:
                    pass
            if text == "eat":
                _ = bytearray(2**40)
            if text == "raise":
                raise ValueError("no such thing")
            if text == "die":
                os.kill(os.getpid(), signal.SIGSEGV)
            if text == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if text == "sleep":
                time.sleep(60)
            if text == "disk":
                raise OSError(28, "No space left on device")
            if text == "once" and not os.path.exists(MARK):
                open(MARK, "w").close()
                raise ValueError("the first time only")
            if text == "leak":
                LEFT.append(1)
                if len(LEFT) > 1:
                    raise MemoryError
        if {gold, answer} == {"7", "pair"}:
            raise ValueError("together only")
        return Judgement(value=VerdictValue.CORRECT if gold == answer else VerdictValue.WRONG, basis="same")


class Solo(Rogue):
    def work_out(self, text: str) -> None:
        self.judge(text, "")
'''


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What becomes of these answers to a gold, as (value, rule, reason); the verifier lives where a worker can import it."""
    folder = tmp_path_factory.mktemp("rogue")
    (folder / "rogue_verifier.py").write_text(ROGUE.replace("MARK", repr(str(folder / "mark"))))
    sys.path.insert(0, str(folder))
    from rogue_verifier import Rogue, Solo

    limits = {"timeout": 0.3, "memory_mb": 256, "prepare": ()}
    blaming = Blame(partial(VerifierPool, max_tasks=1, **limits))
    with VerifierPool(**limits) as pool:

        def call(gold, *answers, isolated=True, blame=True, works_out=False):
            problem = Problem(problem_id=gold, task_type="t", question="?", gold=gold, verifier="rogue")
            found = verify_batch(
                [(problem, answer) for answer in answers],
                verifiers={"rogue": (Solo if works_out else Rogue)(isolated=isolated)},
                pool=pool,
                blame=blaming if blame else None,
            )
            return [(verdict.value.value, verdict.basis.partition("/")[2], verdict.reason) for verdict in found]

        yield call
    sys.path.remove(str(folder))


def test_an_answer_that_fails_on_its_own_account_is_wrong_and_its_neighbours_are_judged(verdicts) -> None:
    assert verdicts("7", "7", "spin", "eat", "raise", "die", "8") == [
        ("correct", "same", None),
        ("wrong", "intractable_answer", "timeout: 0.3 s of processor time"),
        ("wrong", "intractable_answer", "memory: the worker's limit was reached"),
        ("wrong", "intractable_answer", "crash: ValueError: no such thing"),
        ("wrong", "intractable_answer", "crash: the worker was ended by SIGSEGV"),
        ("wrong", "same", None),
    ]


def test_what_the_answer_cannot_bring_about_stays_unscored(verdicts) -> None:
    (killed, slept) = verdicts("7", "killed", "sleep")
    assert killed[:2] == ("unscored", "none") and killed[2].startswith("crash: the worker was ended by SIGKILL")
    assert slept == ("unscored", "none", "timeout: 2.4 s")  # eight times as long by the clock, and no processor time


def test_a_second_try_that_passes_counts_and_finds_nothing_of_earlier_ones(verdicts) -> None:
    assert verdicts("7", "once") == [("wrong", "same", None)]
    # The worker of the first try has what "leak" left, as one that has judged for hours has; the second try's has not.
    assert verdicts("8", "leak") == verdicts("7", "leak") == [("wrong", "same", None)]


def test_what_the_machine_lacks_is_no_answers_fault(verdicts) -> None:
    assert verdicts("7", "disk")[0][:2] == ("unscored", "none")
    faults = [
        fault_of_error(error)
        for error in (OSError(), ImportError(), VerifierError(""), MemoryError(), RecursionError(), KeyError())
    ]
    assert faults == [Fault.OUTSIDE] * 3 + [Fault.MEMORY, Fault.CRASH, Fault.CRASH]


def test_an_answer_that_fails_only_with_this_gold_is_not_blamed_where_it_can_be_asked_alone(verdicts) -> None:
    assert verdicts("7", "pair") == [("wrong", "intractable_answer", "crash: ValueError: together only")]
    assert verdicts("7", "pair", works_out=True) == [("unscored", "none", "crash: ValueError: together only")]
    assert verdicts("7", "raise", works_out=True)[0][:2] == ("wrong", "intractable_answer")


def test_an_answer_that_was_blamed_is_known_again(verdicts, monkeypatch) -> None:
    verdicts("6", "7", "raise", works_out=True)
    tried = []
    monkeypatch.setattr(blame_module, "_alone", lambda pool, tries: tried.extend(tries) or {})
    assert verdicts("6", "raise", works_out=True) == [
        ("wrong", "intractable_answer", "crash: ValueError: no such thing")
    ]
    assert tried == []


@pytest.mark.parametrize("gold", ["spin", "raise", "die"])
def test_a_gold_that_fails_by_itself_blames_no_answer(verdicts, gold: str) -> None:
    assert verdicts(gold, "7")[0][0] == "unscored"


def test_nobody_is_blamed_where_the_run_file_says_so(verdicts) -> None:
    assert verdicts("7", "raise", blame=False) == [("unscored", "none", "crash: ValueError: no such thing")]
    with pytest.raises(UsageError, match="blame = 'me'; it must be 'answer' or 'none'"):
        Judge(blame="me")  # type: ignore[arg-type]


def test_a_verifier_in_this_process_is_asked_again_here(verdicts) -> None:
    assert verdicts("7", "raise", isolated=False)[0][:2] == ("wrong", "intractable_answer")
    assert verdicts("raise", "7", isolated=False)[0][0] == "unscored"


def test_exits_are_told_apart() -> None:
    assert [fault_of_exit(code) for code in (-signal.SIGPROF, -signal.SIGSEGV, 3, -signal.SIGKILL, -signal.SIGTERM, None)] == [
        Fault.PROCESSOR, Fault.CRASH, Fault.CRASH, Fault.OUTSIDE, Fault.OUTSIDE, Fault.OUTSIDE,
    ]  # fmt: skip
    assert explain_exit(3, 5.0) == "crash: the worker left with exit code 3"


# Of the kind of a review's 57, 31 of which were unscored, and more: most are known to be wrong at once, the last three are not.
FORMULAS = r"""
99!!|9!!!!|(9^9)!|x^{9^9}|99999999!|9^{9^{9}}|2^{99999999}|\ln(9^{9^9})|\int x\,dx|\frac{d}{dx}x^2|\int_0^1 x\,dx|\frac{dy}{dx}=2x+1
\sum_{k=1}^{n}k|\sum_{k=1}^{n}k^k|\prod_{k=1}^{n}k^k|\prod_{k=1}^{99999999}k|\sum_{k=1}^{\infty}\frac{1}{k^k}
\lim_{x\to 0}\frac{\sin x}{x}|\frac{d^9}{dx^9}x^x|\frac{d}{dx}x^{x^x}|(x+1)^{5000}|(x+y+z)^{99}|(a+b+c+d)^{40}|\binom{10^9}{10^8}
\binom{n}{k}^{99}|x^{x^{x^x}}|n^{n^{n^n}}|n!!!!|(n!)!|((n!)!)!|\sin(9^{9^9})|\tan(10^{99})|\sin(\sin(\sin(x)))|e^{e^{e^{e^9}}}
e^{e^{e^{e^x}}}|\pi^{\pi^{\pi^\pi}}|10^{10^{10}}|\log_2(3^{9^9})|\sqrt[9]{9^{9^9}}|i^{i^{i^i}}|(-1)^{9^{9^9}}|0^{9^{9^9}}|1^{9^{9^9}}
\frac{1}{9^{9^9}}|9^{-9^{9}}|\underbrace{9\cdots 9}_{99}|9^{99999}!|7^{7^7}\bmod 10|\lfloor 9^{9^9}\rfloor|\Gamma(10^9)|\Gamma(x)^{99}
\sin^{9999}x|x^{99999}-1|(x^{999}-1)(x^{998}-1)|\frac{x^{9999}-1}{x-1}|\sum_{k=0}^{9999}x^k|\prod_{k=1}^{99}(x+k)
\sum_{n=1}^{\infty}\frac{1}{n^3}|\max(9^{9^9},1)|\{1,2,9^{9^9}\}|(9^{9^9},1)|x=9^{9^9}|x>9^{9^9}|\sqrt{x}=9^{9^9}|x^{x}=9
\frac{\partial f}{\partial x}|f'(x)|f^{(9)}(x)|\nabla^2 f|\frac{d}{dx}|\int|\sum|\lim|\sqrt{\int x dx}|\lim_{x\to\infty}x^x
\lim_{x\to 0}\frac{1}{x}|\int\int xy\,dx\,dy|\oint z^{-1}dz|\sum_{k=1}^{n}\sum_{j=1}^{k}j^k|1/(1/(1/(1/(1/x))))
\sqrt{2+\sqrt{2+\sqrt{2}}}|(\sqrt2+\sqrt3+\sqrt5)^{99}|x^{1/99999}|(1+10^{-9})^{10^9}|9^{9.9^{9.9}}|(x+1)^n(x+2)^m|(1+x)^{1/x}
\begin{vmatrix}a&b\\c&d\end{vmatrix}|\sqrt{x+\sqrt{x+\sqrt{x}}}|\log(\log(\log(x)))|W(x)^{W(x)}|\cos(99\arccos x)|\arcsin(\sin(9^9))
2^{0.5^{0.5^{99}}}|1.000001^{99999}|\sqrt{1+\sqrt{2}+\sqrt{3}}|\prod_{p}\frac{1}{1-p^{-2}}|\binom{10^9}{5}|\cos^{99}x+\sin^{99}x
\int_0^1\sin(x^x)dx|\gcd(9^{99999},6)|a^{b^{c^{d^{e}}}}
"""


@pytest.fixture(scope="module")
def judge():
    with Judge(timeout=1.0) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("gold", ["72", r"\frac{dy}{dx}=2x"])
def test_short_formulas_are_no_way_out(judge, gold: str) -> None:
    formulas = [formula for line in FORMULAS.strip().splitlines() for formula in line.split("|")]
    assert len(formulas) > 100
    # Against an equation every fourth and the three that hang, which takes half the time.
    formulas = formulas if gold == "72" else sorted({*formulas[::4], *formulas[-3:], r"\frac{d}{dx}x^2"})
    problem = Problem(problem_id="p", task_type="t", question="?", gold=gold, verifier="math")
    found = dict(
        zip(formulas, judge.verify([problem] * len(formulas), [rf"\boxed{{{f}}}" for f in formulas]), strict=True)
    )
    # The share that a policy could hide in: at most 2% were asked for, and there is none.
    assert {text: verdict.reason for text, verdict in found.items() if not verdict.scored} == {}
    # dy/dx of x^2 is 2x
    right = {r"\frac{d}{dx}x^2"} if "=" in gold else set()
    assert {text for text, verdict in found.items() if verdict.correct} == right


@pytest.mark.parametrize(
    ("gold", "answer"),
    [(r"\frac{n(n+1)}{2}", r"\sum_{k=1}^{n}k"), ("2x", r"\frac{d}{dx}x^2"), (r"\frac{1}{2}", r"\int_0^1 x\,dx"), ("24", r"\prod_{k=1}^4 k"),
     ("15", r"\sum_{m=1}^{5} m"), ("6", r"\sum_{k=1}^{3}k"), ("12.5", r"\int_0^5 t\,dt"), (r"\sum_{k=1}^{n}k^k", r"\sum_{j=1}^{n}j^j"),
     ("1", r"\lim_{x\to 0}\frac{\sin x}{x}"), (r"\frac{dy}{dx}=2x", r"2x=\frac{dy}{dx}"), (r"\frac{x^2}{2}", r"\int x\,dx")],
)  # fmt: skip
def test_what_binds_a_variable_is_worked_out(judge, gold: str, answer: str) -> None:
    problem = Problem(problem_id="p", task_type="t", question="?", gold=gold, verifier="math")
    (verdict,) = judge.verify([problem], [rf"\boxed{{{answer}}}"])
    assert verdict.correct, verdict


def _trained(*, unscored: bool) -> tuple[float, float]:
    """400 steps of 8 x 8 with NSR on a softmax over twelve responses: final probability of the right one and of the time-out."""
    generator = torch.Generator().manual_seed(0)
    # response 0 is right (3%), 1 hangs the verifier (3%), the other ten are wrong (94%)
    logits = torch.tensor([0.03, 0.03, *[0.094] * 10], dtype=torch.float64).log()
    for _ in range(400):
        p = torch.softmax(logits, 0)
        drawn = torch.multinomial(p, 64, replacement=True, generator=generator)
        correct, hangs = drawn == 0, drawn == 1
        scored = ~hangs if unscored else torch.ones_like(correct)
        rewards = torch.where(scored, correct.double() * 2 - 1, math.nan)
        groups = torch.arange(8).repeat_interleave(8)
        credit = signed_credit(rewards=rewards, correct=correct, scored=scored, group_ids=groups, rule=make_rule("nsr"))
        # ascent on mean A log p: A (one-hot - p)
        own = torch.nn.functional.one_hot(drawn, 12).double() - p
        logits = logits + 0.5 * (credit.advantages.double()[:, None] * own).mean(dim=0)
    p = torch.softmax(logits, 0)
    return float(p[0]), float(p[1])


def test_negatives_teach_a_policy_to_be_unscored_and_a_wrong_time_out_does_not() -> None:
    right, hangs = _trained(unscored=True)
    assert right == pytest.approx(0.49, abs=0.08) and hangs == pytest.approx(0.49, abs=0.08)
    right, hangs = _trained(unscored=False)
    assert right > 0.98 and hangs < 0.005


def test_what_fails_alone_is_not_tried_beside_its_gold_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, ...]] = []
    alone = blame_module._alone

    def recorded(pool, tries):
        tried.extend(tries)
        return alone(pool, tries)

    monkeypatch.setattr(blame_module, "_alone", recorded)
    answer = r"\int \frac{1}{x^{20}+1}dx"
    key = ("math", "72", answer)
    outcome = Outcome(judgement=unscored("timeout: 1 s of processor time"), seconds=1.0, fault=Fault.PROCESSOR)
    settled = Blame(partial(VerifierPool, timeout=1.0, max_tasks=1)).settle(
        [key], {key: outcome}, {"math": MathVerifier()}
    )
    assert settled[key].judgement.basis == "intractable_answer"
    assert tried == [("math", answer), ("math", "72")]


def test_a_long_reason_keeps_its_end():
    reason = unscored(f"crash: ValueError: {'x' * 500} (line 12)").reason
    assert len(reason) <= 200 and reason.startswith("crash: ValueError: xx") and reason.endswith(" (line 12)")
    assert unscored("two\n words").reason == "two words"
