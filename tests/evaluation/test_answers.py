from counterpoise.evaluation.answers import WrongAnswers, compared_classes
from counterpoise.types import Problem

PROBLEM = Problem(problem_id="p", task_type="t", question="?", gold="7", verifier="numeric")


def classes(*answers, equivalent=None):
    wrong = WrongAnswers(["p"])
    for answer in answers:
        wrong.add("p", answer)
    return wrong.classes({"p": PROBLEM}, [("p", answer) for answer in answers], equivalent)["p"]


def equal_numbers(problem, one, other):
    assert problem is PROBLEM
    return float(one) == float(other)


def test_texts_are_compared_after_normalisation():
    # "1 000" with a no-break space and twice a plain one, and "ﬁve" with a ligature
    assert classes("1\u00a0000", "1  000", "2", "\ufb01ve", "five", "Five") == (2, 2, 1, 1)


def test_the_verifier_joins_what_the_text_splits():
    assert classes("0.5", ".5", "2", "0.50", "0.5", "3") == (2, 1, 1, 1, 1)
    assert classes("0.5", ".5", "2", "0.50", "0.5", "3", equivalent=equal_numbers) == (4, 1, 1)


def test_the_more_frequent_answer_is_the_gold():
    asked = []

    def never(problem, one, other):
        asked.append((one, other))
        return False

    classes("b", "a", "a", equivalent=never)
    assert asked == [("a", "b")]


def test_comparisons_are_bounded():
    # 32 * 31 / 2 = 496 comparisons a problem; 50,000 / 500 = 100 = about 14 * 15 / 2
    assert [compared_classes(problems) for problems in (1, 100, 101, 500, 10_000, 10**6)] == [32, 32, 31, 14, 3, 2]
    asked = []
    classes(*map(str, range(1000)), equivalent=lambda *pair: asked.append(pair) is not None)
    assert len(asked) == 496


def test_long_answers_are_compared_by_their_text_alone():
    assert classes("1" * 201, "1" * 201, "1", equivalent=lambda *_: True) == (2, 1)


def test_no_wrong_answers():
    assert classes() == ()
