"""The screen on policies whose tables are known: what they answer with and without examples, at each temperature."""

import math
from dataclasses import replace

import numpy as np
import pytest

from counterpoise.diagnostics.advice.screen import Capability, ScreenCell, judge_screen
from counterpoise.diagnostics.advice.thresholds import THRESHOLDS, Thresholds
from counterpoise.diagnostics.explanation import Measured
from counterpoise.errors import ConfigError, UsageError
from counterpoise.jobs.drawing import Drawing
from counterpoise.jobs.screen import find_examples, screen_policy
from counterpoise.prompts import Wording
from counterpoise.tasks.generators.ranks import Ranks
from counterpoise.tasks.registry import make_task
from counterpoise.types import Problem, Rollout, SamplingSettings, StopReason
from counterpoise.verifiers.judge import Judge

SIZE = 8
TRAIN = Ranks(count=120).problems("train")
ASKED = TRAIN[:40]


class Letters:
    """A tokenizer of code points without a chat format."""

    chat_template = None
    name_or_path = "letters"

    def encode(self, text, *, add_special_tokens):
        return [ord(letter) for letter in text]


class TableSampler:
    """Right as often as its table says for (whether the prompt holds examples, temperature): the same number in every few groups."""

    def __init__(self, table, wrong="I would say 1"):
        self.table, self.wrong, self.prompts = table, wrong, []

    def sample(self, prompts, *, group_size, settings, seed, policy_version=0):
        self.prompts += prompts
        groups, right = [], 0.0
        for prompt in prompts:
            share = self.table["?\n" in prompt.text.removesuffix("?\n"), round(settings.temperature, 3)]
            before, right = int(right + 1e-9), right + share * group_size
            groups.append(
                [self.rollout(prompt, settings, row < int(right + 1e-9) - before) for row in range(group_size)]
            )
        return groups

    def rollout(self, prompt, settings, correct):
        ids = np.array([1, 2])
        return Rollout(
            problem_id=prompt.problem.problem_id,
            prompt_ids=prompt.token_ids,
            token_ids=ids,
            mask=np.ones(2, dtype=bool),
            log_probs=np.zeros(2, dtype=np.float32),
            text=prompt.problem.gold if correct else self.wrong,
            temperature=settings.temperature,
            stop_reason=StopReason.EOS,
            policy_version=0,
        )


@pytest.fixture(scope="module")
def judge():
    with Judge() as made:
        yield made


def table(zero, few):
    temperatures = (1.0, 0.6, 0.3)
    return {
        (shown, t): p for shown, row in ((False, zero), (True, few)) for t, p in zip(temperatures, row, strict=True)
    }


def screened(judge, sampler, *, asked=ASKED, train=TRAIN, wording=None, **settings):
    return screen_policy(
        Drawing(sampler=sampler, verify=judge.verify, settings=SamplingSettings(max_tokens=12), group_size=SIZE),
        asked,
        train,
        wording=wording or Wording(template="plain"),
        tokenizer=Letters(),
        fit=lambda problems, _: problems,
        seed=0,
        **settings,
    )


@pytest.mark.parametrize(
    ("zero", "few", "capability", "says"),
    [
        ((0.025, 0.025, 0.05), (0.5, 0.4, 0.3), Capability.LATENT, "latent: train. 4 examples in the prompt give"),
        ((0.3, 0.6, 0.85), (0.25, 0.5, 0.6), Capability.SHARPENING, "lower the temperature. 0.3 in the place of 1 gives pass@1 85.0%"),
        ((0.025, 0.0, 0.0), (0.025, 0.0, 0.0), Capability.ABSENT, "absent: supervise first. pass@1 is 2.5%"),
        ((0.5, 0.55, 0.55), (0.5, 0.5, 0.5), Capability.PRESENT, "present: see the rules above"),
        # examples and cold together give no more than cold alone
        ((0.3, 0.6, 0.85), (0.6, 0.8, 0.9), Capability.SHARPENING, "sharpening: lower the temperature"),
        # cold helps, and examples far more than any temperature does
        ((0.1, 0.2, 0.3), (0.8, 0.8, 0.8), Capability.LATENT, "no temperature without them more than 30.0%"),
    ],
)  # fmt: skip
def test_a_policy_is_told_by_its_table(judge, zero, few, capability, says):
    (found,) = screened(judge, TableSampler(table(zero, few)))
    assert found.capability is capability
    assert says in found.line
    assert [cell.pass_1.value for cell in found.cells] == pytest.approx([*zero, *few])
    assert [(cell.shots, round(cell.temperature, 3)) for cell in found.cells] == [
        (0, 1.0), (0, 0.6), (0, 0.3), (4, 1.0), (4, 0.6), (4, 0.3),
    ]  # fmt: skip
    assert found.examples.value == pytest.approx(max(few) - max(zero))
    assert found.cooling.value == pytest.approx(max(zero) - zero[0])


def test_the_numbers_stand_in_the_line_with_their_intervals(judge):
    (found,) = screened(judge, TableSampler(table((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))))
    assert found.line.startswith("latent: train. 4 examples in the prompt give pass@1 50.0% [")
    assert "(temperature 1), and no temperature without them more than 0.0% [0.0, 0.0]: +50.0 points [" in found.line


def test_responses_without_an_answer_are_said_to_be_a_matter_of_form(judge):
    sampler = TableSampler(table((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)), wrong="The largest one.")
    (found,) = screened(judge, sampler)
    assert found.line.endswith(
        "100% of the responses without examples hold no answer (with them 50%), so some of it is form alone."
    )


def test_examples_are_right_and_nobody_is_asked_what_an_example_shows(judge):
    sampler = TableSampler(table((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    screened(judge, sampler, shots=3)
    texts = {prompt.text for prompt in sampler.prompts if "?\n" in prompt.text.removesuffix("?\n")}
    heads = {text.rsplit("\n\n", 1)[0] for text in texts}
    assert len(heads) == 1
    shown = [part.split("\n") for part in heads.pop().split("\n\n")]
    golds = {problem.question: problem.demonstration for problem in TRAIN}
    assert len(shown) == 3
    assert all(golds[question] == answer for question, answer in shown)
    assert not {question for question, _ in shown} & {problem.question for problem in ASKED}


def test_with_no_other_problems_some_of_those_asked_become_examples(judge):
    found = find_examples(ASKED, ASKED, judge.verify, count=4, seed=0)
    assert len(found.problems) == 36
    assert not {question for question, _ in found.shots["ranks"]} & {problem.question for problem in found.problems}


@pytest.mark.parametrize("name", ["letters", "capitals"])
def test_tasks_for_a_model_that_speaks_show_their_sentences(judge, name):
    train = make_task(name).problems("train")
    found = find_examples(train[:20], train, judge.verify, count=4, seed=0)
    sentences = {problem.question: problem.demonstration for problem in train}
    assert len(found.shots[name]) == 4 and len(found.problems) == 20
    assert all(answer == sentences[question] for question, answer in found.shots[name])


def test_each_task_type_has_its_own_examples_and_line(judge):
    asked = [replace(problem, task_type="odd" if at % 2 else "even") for at, problem in enumerate(ASKED)]
    train = [replace(problem, task_type="odd" if at % 2 else "even") for at, problem in enumerate(TRAIN)]
    found = screened(judge, TableSampler(table((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))), asked=asked, train=train)
    assert [(one.task_type, one.problems, one.capability.value) for one in found] == [
        ("even", 20, "latent"),
        ("odd", 20, "latent"),
    ]


def test_the_examples_of_the_run_are_taken_and_left_out_without_them(judge):
    sampler = TableSampler(table((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)))
    wording = Wording(
        template="plain", shots=(("Which is the largest: 1, 2?", "2"), (ASKED[0].question, ASKED[0].gold))
    )
    (found,) = screened(judge, sampler, wording=wording)
    assert found.capability is Capability.LATENT
    assert (found.cells[-1].shots, found.problems) == (2, 39)  # the one that an example asks is not asked


def test_golds_that_cannot_be_shown_are_refused(judge):
    strange = [
        Problem(problem_id=f"p{n}", task_type="odd", question=f"q{n}", gold="x", verifier="last_number")
        for n in range(9)
    ]
    with pytest.raises(
        UsageError, match=r"of the task type odd, and of 9 problems 0 have an answer that their own verifier accepts"
    ):
        find_examples(strange, strange, judge.verify, count=2, seed=0)


def test_too_few_problems_are_refused(judge):
    with pytest.raises(UsageError, match="no problem of the task type ranks left to ask beside its 4 worked examples"):
        find_examples(ASKED[:4], ASKED[:4], judge.verify, count=4, seed=0)


def test_a_template_that_takes_no_examples_is_refused(judge):
    with pytest.raises(ConfigError, match=r"prompt.shots have no place in the template 'paper_qwen3'"):
        screened(judge, TableSampler({}), wording=Wording(template="paper_qwen3"))


def cells(zero, few, no_answer=0.0):
    def about(p):
        return Measured(value=p, low=p - 0.05, high=p + 0.05)

    return [
        ScreenCell(shots=shots, temperature=t, pass_1=about(p), pass_k=about(p), no_answer=no_answer)
        for shots, t, p in [*((0, t, p) for t, p in zero), *((4, t, p) for t, p in few)]
    ]


SURVEY = (  # SmolLM2-135M-Instruct, 8 problems x 8: zero-shot at 1 and 0.3, 4-shot at 1
    ("letters", (0.02, 0.05), 0.52, Capability.LATENT),
    ("max4", (0.14, 0.03), 0.28, Capability.LATENT),
    ("capital", (0.31, 0.86), 0.23, Capability.SHARPENING),
    ("add2", (0.02, 0.00), 0.02, Capability.ABSENT),
)


@pytest.mark.parametrize(("task", "zero", "few", "capability"), SURVEY)
def test_the_limits_tell_the_surveyed_tasks_apart(task, zero, few, capability):
    def gain(value):
        return Measured(value=value, low=value - 0.05, high=value + 0.05)

    found = judge_screen(
        task,
        cells(zip((1.0, 0.3), zero, strict=True), [(1.0, few)]),
        examples=gain(few - max(zero)),
        cooling=gain(max(zero) - zero[0]),
        problems=8,
        group_size=8,
        t=THRESHOLDS,
    )
    assert found.capability is capability


def test_a_gain_whose_interval_holds_zero_is_unclear():
    found = judge_screen(
        "t",
        cells([(1.0, 0.1)], [(1.0, 0.3)]),
        examples=Measured(value=0.2, low=-0.1, high=0.5),
        cooling=Measured(value=0.0, low=0.0, high=0.0),
        problems=4,
        group_size=2,
        t=Thresholds(),
    )
    assert found.capability is Capability.UNCLEAR
    assert found.line.startswith(
        "unclear: 4 examples change pass@1 by +20.0 points [-10.0, +50.0], a lower temperature by +0.0"
    )


@pytest.mark.parametrize("value", [math.nan])
def test_nothing_scored_says_nothing(value):
    nothing = Measured(value=value, low=value, high=value)
    cell = ScreenCell(shots=0, temperature=1.0, pass_1=nothing, pass_k=nothing, no_answer=value)
    found = judge_screen(
        "t", [cell, replace(cell, shots=4)], examples=nothing, cooling=nothing, problems=2, group_size=2, t=Thresholds()
    )
    assert found.line == "unclear: nothing could be scored."
