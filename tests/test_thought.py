import numpy as np
import pytest

from counterpoise.thought import TAGS, final_text, judged_text, opens_thought
from counterpoise.types import Problem, Prompt
from counterpoise.verifiers.judge import Judge


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("…<｜Assistant｜><think>", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        ("Think between <think> and </think>.\nassistant\n", False),
        ("1+1=?", False),
        ("assistant\n<thinking>\n", True),
        ("[/INST][THINK]", True),
        ("<|begin_of_thought|>\n\n", True),
        ("Begin with <think>", True),
        ("Begin with <think>.\nassistant\n", False),
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


@pytest.mark.parametrize(
    ("response", "final"),
    [
        ("5", "5"),
        ("", ""),
        ("Okay.\n<think>\n5 wait", "Okay.\n"),
        ("Okay. <think>\n5 wait", "Okay. "),
        ("4\n<think>hm 5", "4\n"),
        ("<think>a</think>4\n<think>\n5", "4\n"),
        ("<think>a</think>4\n<think>\n5</think>6", "6"),
        ("I use <think> tags: 5", "I use <think> tags: 5"),
        ("<think>a</think>b<think>c", "b<think>c"),
        ("  \n<think>a", None),
        ("<think>a</think>\n<think>b", None),
    ],
)
def test_final_text(response, final):
    assert final_text(response) == final


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_every_tag_is_a_thought(opening, closing):
    assert final_text(f"{opening}a 5") is None
    assert final_text(f"{opening}a 5{closing} 6") == " 6"
    assert opens_thought(f"assistant\n{opening}\n")
    assert final_text(judged_text(f"a 5{closing} 6", in_thought=True)) == " 6"
    assert final_text(judged_text("a 5", in_thought=True)) is None


def test_a_mention_takes_no_more_time_than_a_letter(within):
    pieces = ("<think>", "a<think>", "\n<think", "</think>", " \n", "◁think▷")
    assert within(2.0, lambda: [final_text("b" + piece * (200_000 // len(piece))) for piece in pieces])


@pytest.mark.parametrize(
    ("response", "answer", "rule"),
    [
        ("hm 3*7+9 = 30", None, "unclosed_think"),
        ("hm \\boxed{3*7+9} no</think>\n<answer> (3*7)+9 </answer>", "(3*7)+9", "tagged"),
        ("hm</think> \\boxed{3*7+9}", "3*7+9", "boxed"),
        ("hm</think> \\boxed{3*7+9} <answer>", None, "tagged"),
        ("hm</think> <answer>3*7</answer> \\boxed{3*7+9}", "3*7+9", "boxed"),
        ("hm</think>\n3*7+9", "3*7+9", "last_line"),
    ],
)
def test_countdown_reads_no_thought_either(response, answer, rule):
    from counterpoise.verifiers.compare.countdown import CountdownVerifier

    extraction = CountdownVerifier().extract(judged_text(response, in_thought=True))
    assert (extraction.answer, extraction.basis) == (answer, rule)
