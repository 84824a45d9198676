r"""The grid: answer x wrapper x verifier x side. A wrapper changes no verdict, and no wrapper makes a wrong answer right."""

import json
from functools import lru_cache

import pytest

from counterpoise.types import Problem
from counterpoise.verifiers.compare import symbolic
from counterpoise.verifiers.compare.choice import ChoiceVerifier
from counterpoise.verifiers.compare.exact import ExactVerifier
from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.compare.numeric import NumericVerifier
from counterpoise.verifiers.compare.qa import QaVerifier
from counterpoise.verifiers.compare.quantity import QuantityVerifier
from counterpoise.verifiers.guests.reasoning_gym import ReasoningGymVerifier
from counterpoise.verifiers.judge import Judge
from counterpoise.verifiers.registry import make_verifier

VERIFIERS = {
    "math": MathVerifier(),
    "literal": MathVerifier(literal=True),
    "numeric": NumericVerifier(),
    "quantity": QuantityVerifier(),
    "exact": ExactVerifier(),
    "qa": QaVerifier(),
    "choice": ChoiceVerifier(),
    "reasoning_gym": ReasoningGymVerifier(),
}

WRAPPERS = (
    r"\text{%s}",
    r"\textbf{%s}",
    r"\textit{%s}",
    r"\textrm{%s}",
    r"\textnormal{%s}",
    r"\mathbf{%s}",
    r"\mathrm{%s}",
    r"\mathit{%s}",
    r"\mathsf{%s}",
    r"\boldsymbol{%s}",
    r"\bm{%s}",
    r"\emph{%s}",
    r"\mbox{%s}",
    r"\operatorname{%s}",
    r"\underline{%s}",
    r"\fbox{%s}",
    r"\boxed{%s}",
    r"\boxed{\text{%s}}",
    r"\mathbf{\text{%s}}",
    r"\large %s",
    r"\Large{%s}",
    r"{\large %s}",
    r"\displaystyle %s",
    r"{\displaystyle %s}",
    r"\textstyle{%s}",
    r"{\bf %s}",
    r"\bf{%s}",
    r"\rm{%s}",
    r"{\it %s}",
    r"\color{red}{%s}",
    r"\color{red} %s",
    r"{\color{red} %s}",
    r"\textcolor{red}{%s}",
    r"\textcolor[HTML]{FF0000}{%s}",
    r"\colorbox{yellow}{%s}",
    r"\textcolor{blue}{\mathbf{%s}}",
    r"\phantom{0}%s",
    r"\hspace{1em}%s",
    r"\,%s\,",
    r"\!%s",
    r"~%s~",
    r"\quad %s",
    r"\left. %s \right.",
    r"\hbox{%s}",
    r"\mathrm{~%s~}",
    r"\fcolorbox{red}{white}{%s}",
    r"\begin{aligned}%s\end{aligned}",
    "**%s**",
    "__%s__",
    "*%s*",
    "***%s***",
    "`%s`",
    '"%s"',
    "<b>%s</b>",
    "**$%s$**",
    "$%s$",
    "$$%s$$",
    r"\(%s\)",
    r"\[%s\]",
    r"$\mathbf{%s}$",
    r"\(\displaystyle %s\)",
    "{%s}",
    r"\mathrm{~%s~}",
    r"\hbox{%s}",
    r"\framebox{%s}",
    r"\makebox[2em]{%s}",
    r"\fcolorbox{red}{white}{%s}",
    r"\bbox[5px,border:1px solid red]{%s}",
    r"\ensuremath{%s}",
    r"\rlap{%s}",
    r"\text{\ %s\ }",
    r"\ %s\ ",
    r"\;%s\;",
    r"\mathbf{\,%s\,}",
    r"\text{$%s$}",
    r"\text{\(%s\)}",
    r"\textbf{**%s**}",
    r"**$\mathrm{%s}$**",
    r"\begin{aligned}%s\end{aligned}",
    r"\begin{aligned} & %s \\ \end{aligned}",
    r"\begin{array}{c}%s\end{array}",
    r"\begin{gathered}\begin{aligned}%s\end{aligned}\end{gathered}",
    r"\begin{center}%s\end{center}",
    r"\begin{aligned}\boxed{\mathrm{~%s~}}\end{aligned}",
    r"\large{\boxed{\colorbox{lime}{\(\text{%s}\)}}}",
    r"\mathrm{\mathbf{\mathit{\mathsf{\underline{\textbf{\text{\textcolor{red}{%s}}}}}}}}",
    "<b><i>%s</i></b>",
    '<span style="color:red">%s</span>',
    "<div><b>**%s**</b></div>",
    " %s ",
    "%s.",
)

# Verifier, gold, right answers, wrong answers.
TABLE = [
    ("math", "27", ["27", "27.0", "x=27", r"27\text{ apples}", "54/2"], ["28", "-27", "2.7", "27k", "6=27", "72", r"27\text{ squared}"]),
    ("math", "-5", ["-5", "−5"], ["5", "-5.5"]),
    ("math", "1300", ["1,300", "1{,}300", r"1\,300", "1 300"], ["1,301", "13"]),
    ("math", "1/2", [r"\frac{1}{2}", "0.5", r"\frac12", "½", r"50\%"], ["1/3", "2", r"\frac{2}{1}"]),
    ("math", "7/2", [r"3\frac{1}{2}", "3 1/2", "3.5", "3½"], ["31/2", "3/2"]),
    ("math", "1/3", [r"0.\overline{3}", "0.(3)", "0.333..."], ["0.3", r"0.\overline{4}"]),
    ("math", "x+1", ["x+1", "1+x", "y=x+1"], ["x-1", "x", "y+1"]),
    ("math", "x^2+2x+1", ["(x+1)^2", "x²+2x+1"], ["(x-1)^2"]),
    ("math", "(3,4)", ["(3,4)", r"\left(3,4\right)", r"\langle 3,4\rangle"], ["(4,3)", "(3,5)"]),
    ("math", r"\{1,2\}", [r"\{2,1\}", "1,2"], [r"\{1,3\}", r"\{1\}"]),
    ("math", "1,-2", ["-2,1", "x=1 or x=-2", r"x=1\text{ or }x=-2"], ["1,2", "1", "1,1,-2"]),
    ("math", r"(-\infty,1)\cup(3,\infty)", ["x<1 or x>3", r"x<1\cup x>3"], [r"x\le 1 or x>3", "(1,3)"]),
    ("math", "x>2", [r"\{x\mid x>2\}", r"(2,\infty)", "2<x"], ["x<2", r"x\ge 2"]),
    ("math", r"2\sqrt{3}", [r"\sqrt{12}", r"2\sqrt3", "2√3"], ["2", r"3\sqrt{2}", "23"]),
    ("math", r"\pi", ["π", r"\pi"], ["3", "3.14"]),
    ("math", r"5\text{ cm}", ["5 cm", "5", "50 mm", r"5\,\mathrm{cm}"], ["5 inches", "5 m", r"5\text{ cm}^2", "6 cm"]),
    ("math", "5 hours", ["5 hrs", "300 minutes", "5", "5 hour", "5 h"], ["5 minutes", "5 days", "6 hours"]),
    ("math", "5 dollars", ["$5", r"\$5", "500 cents", "5 USD"], ["5 cents", "€5", "$6"]),
    ("math", r"5\%", ["5 percent", "5%"], [r"5^\circ", r"6\%"]),
    ("math", r"90^\circ", ["90 degrees", "90°", "90"], [r"90\%", "91°"]),
    ("math", "60 km/h", ["60 kilometers per hour", r"60\text{ km/h}"], ["60 miles per hour", "60 km", "60 m/s"]),
    ("math", "5 million", ["5000000", r"5\text{ million}", "5M"], ["5", "5 billion"]),
    ("math", "8:15 AM", ["8:15 a.m.", "08:15 AM", "8:15"], ["8:15 PM", "20:15", "16:30"]),
    ("math", "March 5, 2020", ["5 March 2020", "March 5th, 2020"], ["March 6, 2020", "May 5, 2020"]),
    ("math", "3:4", ["6:8", "3:4"], ["4:3", "3"]),
    ("math", "Evelyn", ["Evelyn", "evelyn"], ["Eve", "Lyneve"]),
    ("math", "no solution", ["no solution"], ["one solution", "0"]),
    ("math", "B", ["B", "(B)"], ["C", "b+1"]),
    ("literal", "27", ["27", "x=27"], ["54/2", "28", r"3^3"]),
    ("literal", "(x-1)(x+1)", ["(1+x)(x-1)"], ["x^2-1"]),
    ("numeric", "27", ["27", "27.0", "54/2", "x=27"], ["28", "27 cm", "27k", r"27\%"]),
    ("numeric", "1300", ["1,300", "1{,}300"], ["1,301"]),
    ("numeric", "18 cm", [r"18\text{ cm}", "18 cm"], ["18", "18 m", "19 cm"]),
    ("numeric", "5 hours", ["5 hrs", "5 hour"], ["5 minutes", "5"]),
    ("numeric", "$18", ["18", "18 dollars", "$18.00"], ["18 cents", "€18", "19"]),
    ("numeric", r"50\%", ["50 percent", "50%"], ["50", "0.5"]),
    ("quantity", "2600 J", ["2.6 kJ", r"2.6\times10^3\,\mathrm{J}", "2600 J"], ["2600", "2600 m", "2000 J"]),
    ("quantity", "5 dollars", ["500 cents", "5", "$5"], ["5 cents", "5 euros"]),
    ("quantity", r"8.314 \mathrm{J\,K^{-1}\,mol^{-1}}", ["8.314 J/(mol K)"], ["8.314 J/mol", "9 J/(mol K)"]),
    ("exact", "Evelyn", ["Evelyn"], ["Eve"]),
    ("exact", "27", ["27"], ["28"]),
    ("exact", "New York", ["New York"], ["York"]),
    ("qa", "Paris", ["Paris", "paris"], ["London"]),
    ("qa", "New York City", ["New York City"], ["New York"]),
    ("choice", "C of 4", ["C", "(C)", "C. iron"], ["D"]),
    ("reasoning_gym", "7301", ["7301"], ["7302"]),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _decided_once():
    """Most wrappers come to the same texts; algebra compares each pair once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(symbolic, "judge_formulas", lru_cache(maxsize=None)(symbolic.judge_formulas))
    patch.setattr(symbolic, "constant", lru_cache(maxsize=None)(symbolic.constant))
    yield
    patch.undo()


def wrap(wrapper, text):
    return wrapper.replace("%s", text)


def verdict(name, gold, answer):
    verifier = VERIFIERS[name]
    if name == "choice":
        # A letter is found where it stands: in a box, in a tag, and behind a phrase.
        responses = [rf"So \boxed{{{answer}}}", f"<answer>{answer}</answer>", f"Thus the answer is {answer}"]
        found = {verifier.extract(response).answer for response in responses}
        return verifier.judge(gold, found.pop() or "").value.value if len(found) == 1 else str(found)
    if name == "reasoning_gym":
        gold = json.dumps({"generator": "chain_sum", "options": {}, "answer": gold, "metadata": {}})
    return verifier.judge(gold, answer).value.value


@pytest.mark.parametrize(("name", "gold", "right", "wrong"), TABLE, ids=[f"{name}-{gold}" for name, gold, *_ in TABLE])
def test_a_wrapper_changes_no_verdict(name, gold, right, wrong):
    faults = []
    for expected, answers in (("correct", right), ("wrong", wrong)):
        for answer in answers:
            if verdict(name, gold, answer) != expected:
                faults.append((expected, gold, answer))
                continue
            for wrapper in WRAPPERS:
                sides = [(gold, wrap(wrapper, answer))]
                if name not in ("choice", "reasoning_gym"):  # their golds are records
                    sides += [(wrap(wrapper, gold), answer), (wrap(wrapper, gold), wrap(wrapper, answer))]
                for one, other in sides:
                    if verdict(name, one, other) != expected:
                        faults.append((expected, one, other))
    assert faults == []


PLACES = (r"\boxed{%s}", "The answer is %s", "<answer>%s</answer>")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "gold", "right", "wrong"), [("choice", "C of 4", "C", "B"), ("qa", "Paris", "Paris", "London")]
)
def test_a_wrapper_changes_no_letter_and_no_name(name, gold, right, wrong, place):
    verifier, faults = make_verifier(name), []
    for wrapper in WRAPPERS:
        for answer, expected in ((right, "correct"), (wrong, "wrong")):
            response = wrap(place, wrap(wrapper, answer))
            found = verifier.extract(response).answer
            if found is None or verifier.judge(gold, found).value.value != expected:
                faults.append((expected, response, found))
    assert faults == []


LEADS = ("答案是%s", "答案为 %s", "答案：%s", "The answer is %s", "Final answer: %s", r"\text{The answer is }%s")


@pytest.mark.parametrize(
    ("name", "gold", "right", "wrong"),
    [("math", "12", "12", "13"), ("numeric", "12", "12", "13"), ("choice", "C of 4", "C", "B")],
)
@pytest.mark.parametrize("lead", LEADS)
def test_a_phrase_inside_a_box_leads_to_the_answer(name, gold, right, wrong, lead):
    verifier = make_verifier(name)
    for answer, expected in ((right, "correct"), (wrong, "wrong")):
        found = verifier.extract(rf"\boxed{{{wrap(lead, answer)}}}").answer
        assert found is not None
        assert verifier.judge(gold, found).value.value == expected, (lead, answer, found)


@pytest.mark.parametrize(
    ("name", "gold", "answer", "expected"),
    [
        ("math", r"45^\circ", "45'", "wrong"),
        ("math", r"45^\circ", '45"', "wrong"),
        ("math", "45'", r"45^\circ", "wrong"),
        ("math", "f'(x)", "f'(x)", "correct"),
        *(
            (name, "5/11", text, "correct")
            for name in ("math", "numeric")
            for text in (r"0.\dot4\dot5", r"0.\dot{4}\dot{5}")
        ),
        *((name, r"0.\dot4\dot5", "5/11", "correct") for name in ("math", "numeric")),
        ("math", "152/333", r"0.\dot{4}5\dot{6}", "correct"),
        ("math", "152/333", r"0.\dot{4}5\dot{7}", "wrong"),
        ("math", r"[0,\infty)", r"x/2=[0,\infty)", "wrong"),
        ("math", r"[0,\infty)", r"x\in[0,\infty)", "correct"),
        ("math", r"[0,\infty)", r"D=[0,\infty)", "correct"),
        ("numeric", "-1250", r"\left(-1,250\right)", "correct"),
        ("numeric", "1250", "(1,250)", "correct"),
        ("numeric", "12", "12 apples", "correct"),
        ("numeric", "12 apples", "12", "correct"),
        ("numeric", "12", "12 volts", "wrong"),
        ("numeric", "12", "12 kilograms", "wrong"),
        ("numeric", "12 apples", "12 pears", "correct"),
        ("numeric", "12", "12 dozens", "wrong"),
        ("numeric", "12", "12 thirds", "wrong"),
        ("math", "5", r"\frac{1}{2}+1=5", "wrong"),
        ("math", "10", r"\binom{5}{3}+1=10", "wrong"),
        ("math", "3", r"\sqrt{4}+1=3", "correct"),
        ("math", "5", r"5\text{ and a half}", "wrong"),
        ("math", "5.5", r"5\text{ and a half}", "correct"),
        ("math", "2 hours", "2 and a half hours", "wrong"),
        ("math", "2.5 hours", "2 and a half hours", "correct"),
        ("math", "3:30 p.m.", "15:30 AM", "wrong"),
        ("math", "3:30 p.m.", "15:30", "correct"),
        ("math", "2:3", "2 to 3", "correct"),
        ("math", "2:3", r"4\text{ to }6", "correct"),
        ("math", "2:3", "3 to 2", "wrong"),
        ("math", "1:2:3", "2:4:6", "correct"),
        ("math", "1:2:3", "1:3:2", "wrong"),
        ("math", "1:2:3", "1:2", "wrong"),
        ("math", r"1:\sqrt{3}:2", r"2:2\sqrt{3}:4", "correct"),
        ("math", r"1:\sqrt{3}:2", r"1:2:\sqrt{3}", "wrong"),
        ("math", "2020-03-05", "2012", "wrong"),
        ("math", "2020-03-05", "March 5, 2020", "correct"),
        ("math", "3/5/2020", "5/3/2020", "wrong"),
        *((name, "36", text, "correct") for name in ("math", "numeric") for text in ("thirty-six", r"\text{thirty-six}", 
            "there are 36 apples",
            "a total of 36", "一共有36个")),
        *((name, "36", text, "wrong") for name in ("math", "numeric") for text in ("thirty-seven", "there are 37 apples", "three six")),
        ("math", "seven", "7", "correct"),
        ("math", "3/4", "three quarters", "correct"),
        ("math", "1500", "fifteen hundred", "correct"),
        ("math", "2500", "two thousand five hundred", "correct"),
        ("math", r"(-\infty,2)\cup(5,\infty)", r"(-\infty,2) \text{ or } (5,\infty)", "correct"),
        ("math", "(1,2),(3,4)", r"(1,2) \text{ or } (3,4)", "correct"),
        *((name, gold, "3", "unscored") for name in ("math", "numeric") for gold in ("tensor(3)", "array([3])", "[object Object]",
            "dict_keys(['3'])", "np.float64(3)", "Solution: x is the number of apples")),
        ("math", "45", "45'", "correct"),
        ("math", "45", "45 cm", "correct"),
    ],
)  # fmt: skip
def test_what_readers_once_took_for_another_value(name, gold, answer, expected):
    assert verdict(name, gold, answer) == expected


@pytest.mark.parametrize(("verifier", "gold", "response"), [
    ("qa", "The answer is blowing in the wind", r"\boxed{The answer is blowing in the wind}"),
    ("qa", "The Answer Is 42", "<answer>The Answer Is 42</answer>"),
    ("exact", "The answer is blue", r"\boxed{The answer is blue}"),
    ("math", "36", "**Final Answer**\n36"),
    ("numeric", "36", "### Final Answer\n\n$36$"),
    ("choice", "C of 4", "La respuesta correcta es la C."),
    ("choice", "C of 4", "正解はCです"),
    ("choice", "C of 4", "정답은 C입니다"),
])  # fmt: skip
def test_what_leads_to_the_answer_is_no_part_of_it(verifier, gold, response):
    reader = make_verifier(verifier)
    found = reader.extract(response).answer
    assert found is not None
    assert reader.judge(gold, found).value.value == "correct"


@pytest.mark.parametrize(
    "text", ["It is unlikely that the answer is C.", "I don't think the answer is C.", "I doubt the answer is C"]
)
def test_a_denied_phrase_names_no_letter(text):
    assert make_verifier("choice").extract(text).answer is None


@pytest.mark.parametrize("verifier", ["math", "numeric", "exact"])
def test_a_gold_that_is_a_list_of_one_text_is_that_text(verifier):
    problem = Problem(problem_id="1", task_type="test", question="?", gold='["3"]', verifier=verifier)
    with Judge() as judge:
        assert [v.value for v in judge.verify([problem] * 2, [r"\boxed{3}", r"\boxed{5}"])] == ["correct", "wrong"]
