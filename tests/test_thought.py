import numpy as np
import pytest

from counterpoise.thought import judged_text, opens_thought
from counterpoise.types import Problem, Prompt
from counterpoise.verifiers.batch import Judge


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("…<｜Assistant｜><think>", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        ("Think between <think> and </think>.\nassistant\n", False),
        ("1+1=?", False),
        ("", False),
    ],
)
def test_opens(prompt, opened):
    assert opens_thought(prompt) is opened


@pytest.mark.parametrize(
    ("response", "value"),
    [
        (r"hmm maybe \boxed{5} wait let me", "no_answer"),
        (r"\boxed{5}", "no_answer"),
        (r"\boxed{4}?</think>So \boxed{5}.", "correct"),
        (r"\boxed{5}?</think>So \boxed{4}.", "wrong"),
        (r"<think>\boxed{5}", "no_answer"),
        (r"<think>\boxed{4}</think>\boxed{5}", "correct"),
    ],
)
@pytest.mark.parametrize("verifier", ["numeric", "math", "exact"])
def test_what_is_said_inside_the_thought_does_not_count(verifier, response, value):
    problem = Problem(problem_id="p", task_type="t", question="", gold="5", verifier=verifier)
    prompt = Prompt(problem=problem, text="user\n?\nassistant\n<think>\n", token_ids=np.zeros(1, np.int64))
    with Judge() as judge:
        assert judge.verify([problem], [prompt.judged(response)])[0].value == value
        # without the prompt's tag the first two would be right
        assert judged_text(response, in_thought=False) == response
