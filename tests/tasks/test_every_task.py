"""The self-check of every registered task through the real judge.

A task that joins the registry is checked here without another line, unless it reads files: then FILES needs a small one of the real shape.
"""

import json
import os

import pyarrow
import pytest
from pyarrow import parquet

from counterpoise.errors import ConfigError
from counterpoise.tasks.registry import TASKS, make_task
from counterpoise.tasks.selfcheck import PROBES
from counterpoise.verifiers.sandbox.levels import refusal

PLAIN = [{"question": f"Which number follows {n}?", "answer": str(n + 1)} for n in (4, 71, 312)]
GSM8K = [
    {"question": "Ann has 3 boxes of 400 pins. How many pins?", "answer": "3*400=<<3*400=1200>>1200 pins.\n#### 1,200"},
    {"question": "It was 2 degrees and fell by 9. Now?", "answer": "2-9=<<2-9=-7>>-7\n#### -7"},
    {"question": "Half of 5?", "answer": "5/2=2.5\n#### 2.5"},
]
MATH = [
    {"problem": "Halve $x$.", "solution": r"It is $\boxed{\frac{x}{2}}$.", "level": "Level 2", "type": "Algebra"},
    {"problem": "Name the set.", "solution": r"So $\boxed{\{1, 2\}}$.", "level": "Level 5", "type": "Counting"},
    {"problem": "Which interval?", "solution": r"It is $\boxed{[0,\infty)}$.", "level": "Level 3", "type": "Algebra"},
]
NQ_OPEN = [
    {"question": "when was anyone last on the moon", "answer": ["14 December 1972 UTC", "December 1972"]},
    {"question": "who wrote he ain't heavy", "answer": ["Bobby Scott", "Bob Russell"]},
    {"question": "how many vampire seasons are there", "answer": ["eight", "8"]},
]
SCIBENCH = [
    {"problem_text": text, "answer_latex": number, "answer_number": number, "unit": unit, "source": "atkins",
     "problemid": " 1.1 ", "comment": " "}
    for text, number, unit in (
        ("How much work raises a weight of 260 N by 10 m?", "2600", "$\\mathrm{J}$"),
        ("How long does light need to cross a proton?", "2.9", "$10^{-24} \\mathrm{~s}$ "),
        ("What is the molar heat capacity of argon?", "20.8", " $\\mathrm{JK}^{-1} \\mathrm{~mol}^{-1}$\r\n"),
    )
]  # fmt: skip
CHOICE = [
    {
        "question": f"Which is a {kind}?",
        "choices": ["argon", "iron", "sulfur", "whale"],
        "answer": right,
        "subject": "s",
    }
    for right, kind in enumerate(("noble gas", "metal", "yellow element", "mammal"))
]
MBPP = [
    {"task_id": number, "text": f"Write a function to {what} a number.", "code": f"def {what}(x):\r\n\treturn {body}",
     "test_list": [f"assert {what}(3) == {three}", f"assert {what}(5) == {five}"], "test_setup_code": "",
     "challenge_test_list": []}
    for number, what, body, three, five in ((11, "square", "x * x", 9, 25), (12, "triple", "3 * x", 9, 15))
]  # fmt: skip
APPS = [
    {"problem_id": power, "question": f"Raise a number to the power {power}.", "difficulty": "introductory", "url": "",
     "solutions": json.dumps([f"print(int(input()) ** {power})"]), "starter_code": "",
     "input_output": json.dumps({"inputs": ["2\n", "3\n"], "outputs": [f"{2**power}\n", f"{3**power}\n"]})}
    for power in (2, 3)
]  # fmt: skip


def lines(rows):
    def write(folder):
        path = folder / "test.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return {"test": path}

    return write


def array(folder):
    (folder / "atkins.json").write_text(json.dumps(SCIBENCH), encoding="utf-8")
    return {"path": folder}


def table(folder):
    parquet.write_table(pyarrow.Table.from_pylist(PLAIN), folder / "test.parquet")
    return {"test": folder / "test.parquet"}


FILES = {
    "jsonl": lines(PLAIN),
    "parquet": table,
    "gsm8k": lines(GSM8K),
    "math": lines(MATH),
    "nq_open": lines(NQ_OPEN),
    "scibench": array,
    "choice": lines(CHOICE),
    "mbpp": lines(MBPP),
    "stdio": lines(APPS),
}
SETTINGS = {
    "reasoning_gym": {"generators": "chain_sum,countdown,simple_integration,spiral_matrix", "size": 8},
    "mixture": {"sources": [{"name": "facts"}, {"name": "arithmetic"}]},
    "science": {"size": 400},
}
FORMS = [*((name, {}) for name in TASKS), ("science", {"form": "choice"}), ("arithmetic", {"verifier": "steps"})]
SANDBOXED = ("humaneval", "mbpp", "stdio", "reasoning_gym")


@pytest.mark.parametrize(("name", "form"), FORMS, ids=["-".join((name, *form.values())) for name, form in FORMS])
def test_selfcheck(name, form, self_check, tmp_path):
    if name in SANDBOXED and (reason := refusal("bwrap")) and (reason := refusal("landlock+seccomp")):
        if os.environ.get("CI"):
            pytest.fail(f"no sandbox works here: {reason}")
        pytest.skip(f"no sandbox works here: {reason}")
    given = FILES[name](tmp_path) if name in FILES else {}
    try:
        task = make_task(name, **(SETTINGS.get(name, {}) | given | form))
    except ConfigError as error:
        pytest.fail(
            f"a task that reads files needs a small one in FILES, one that needs settings some in SETTINGS: {error}"
        )
    report = self_check(
        task.problems("test"),
        task=name,
        sample=2 if name == "humaneval" else 12,  # 23 programs each
    )
    assert report.ok, [
        (probe.name, probe.remedy, offence.gold, offence.response, offence.verdict.value, offence.basis)
        for probe in report.probes
        for offence in probe.offences
    ]
    assert [probe.name for probe in report.probes if probe.count] == list(PROBES), (
        "every probe needs two golds at least"
    )
