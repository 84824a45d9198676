r"""Every link of a chain must hold: a set, an interval or a point is no other name of a single expression, on either side."""

import pytest

from counterpoise.verifiers.compare.math import MathVerifier

RAY = r"[0,\infty)"


@pytest.mark.parametrize(
    ("gold", "answer"),
    [(RAY, r"x/2 = [0,\infty)"), (RAY, r"[0,\infty) = x/2"), ("x/2", r"[0,\infty) = x/2"), ("x/2", r"x/2 = [0,\infty)"),
     (RAY, r"y = x/2 = [0,\infty)"), (RAY, r"x/2 = y = [0,\infty)"), ("x/2", r"y = [0,\infty) = x/2"), (RAY, r"\sqrt{x}=[0,\infty)"),
     (RAY, r"5=[0,\infty)"), ("5", r"[0,\infty)=5"), ("(1,2)", "x+y=(1,2)"), ("x+y", "(1,2)=x+y"), ("(1,2)", "(2,1)=(1,2)"),
     (r"\{1,2\}", r"x^2-3x+2=\{1,2\}"), ("x^2-3x+2", r"\{1,2\}=x^2-3x+2"), (r"\{3\}", r"x/2=\{3\}"), ("x/2", r"\{3\}=x/2"),
     ("x/2", r"\emptyset=x/2"), (r"\mathbb{R}", r"x/2=\mathbb{R}"), (r"(-\infty,1)\cup(3,\infty)", r"x/2=(-\infty,1)\cup(3,\infty)"),
     (r"\begin{pmatrix}1\\2\end{pmatrix}", r"x/2=\begin{pmatrix}1\\2\end{pmatrix}"), (r"\{1,2\}", r"A\cup B=\{1,3\}"),
     ("x+2", "x+1=x+2"), ("y=[0,1]", "x/2=[0,1]"), (r"\{1,2\}", r"\{1,3\}=\{1,2\}"), ("(2,3)", "(x,y)=(3,2)")],
)  # fmt: skip
def test_a_false_link_is_wrong(gold: str, answer: str) -> None:
    assert MathVerifier().judge(gold, answer).value.value == "wrong"


@pytest.mark.parametrize(
    ("gold", "answer"),
    [(RAY, r"y=[0,\infty)"), (RAY, r"x\in[0,\infty)"), (RAY, r"\text{Domain of } f=[0,\infty)"), (RAY, r"f(\mathbb{R})=[0,\infty)"),
     (RAY, r"A\cap B=[0,\infty)"), (r"\{1,2\}", r"A\cup B=\{1,2\}"), (r"\{1,2\}", r"A\setminus B=\{1,2\}"),
     (r"\{1,2\}", r"\{1\}\cup\{2\}=\{1,2\}"), ("(1,2)", "(1,1)+(0,1)=(1,2)"), ("(1,2)", "(x,y)=(1,2)"), ("(1,2)", "P=(1,2)"),
     ("(1,2)", r"\vec{a}+\vec{b}=(1,2)"), ("(3,4)", r"2\mathbf{a}-\mathbf{b}=(3,4)"), ("6", r"(1,2)\cdot(2,2)=6"), ("5", "|(3,4)|=5"),
     (r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", r"AB=\begin{pmatrix}1&0\\0&1\end{pmatrix}"), ("5", "a+b=5"), ("x+1", "x^2=x+1"),
     ("x^2+2x+1", "(x+1)^2=x^2+2x+1"), (r"\{1,2\}", r"\{x\mid x^2-3x+2=0\}=\{1,2\}")],
)  # fmt: skip
def test_a_name_of_a_collection_is_no_other_answer(gold: str, answer: str) -> None:
    assert MathVerifier().judge(gold, answer).value.value == "correct"
