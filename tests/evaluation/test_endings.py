import dataclasses

import pytest

from counterpoise.evaluation.endings import unread_endings
from counterpoise.evaluation.store.rollouts import RolloutStore, StoredRollout, StoredVerdict
from counterpoise.evaluation.summary import summarise
from counterpoise.types import StopReason, Verdict, VerdictValue


@pytest.fixture
def stored(tmp_path, fake):
    """A store of these (text, value, rule, end) as the draws of one problem, and its result."""

    def make(*draws, n=None):
        store = RolloutStore(tmp_path / "store", fake.manifest())
        (problem,) = fake.make_problems(1)
        for sample, (text, value, rule, end) in enumerate(draws):
            drawn = StoredRollout(
                problem_id=problem.problem_id, sample=sample, seed=1, text=text, tokens=3, stop_reason=end
            )
            store.append([drawn])
            verdict = Verdict(value=value, answer=None, basis=rule, seconds=0.0, verifier="toy", version="1")
            store.append_verdicts([StoredVerdict(problem_id=problem.problem_id, sample=sample, verdict=verdict)])
        result = summarise(store, [problem], n=n or len(draws), graders={"toy": ("toy", "1")})
        return store, result

    return make


NONE = (VerdictValue.NO_ANSWER, "none/none", StopReason.EOS)


def test_the_commonest_endings(stored):
    store, result = stored(
        *[("So:\n**5** \n\n", *NONE)] * 3,
        *[("The result  is 5.", *NONE)] * 2,
        ("bad\x1b[2Jone\u202e", *NONE),
        ("x" * 100 + " the end", *NONE),
        ("", *NONE),
        ("\\boxed{", VerdictValue.NO_ANSWER, "boxed_unclosed/none", StopReason.LENGTH),
        ("\\boxed{5 +}", VerdictValue.WRONG, "boxed/unparsable_answer", StopReason.EOS),
        ("\\boxed{6}", VerdictValue.WRONG, "boxed/number", StopReason.EOS),
        ("I don't know", VerdictValue.ABSTAINED, "last_line/abstention", StopReason.EOS),
        ("\\boxed{5}", VerdictValue.CORRECT, "boxed/number", StopReason.EOS),
    )
    endings = unread_endings(store, result)
    # 3 + 2 + 1 + 1 + 1 ended, 1 was cut off, 1 could not be parsed
    assert (endings.unread, endings.cut) == (10, 1)
    assert endings.lines() == [
        "no answer could be read in 10 responses, of which 1 were cut off at the token limit; the others end most often in",
        "      3 x '**5**'",
        "      2 x 'The result is 5.'",
        "      1 x 'bad\\x1b[2Jone\\u202e'",
        f"      1 x '…{'x' * 63} the end'",
        "      1 x ''",
        "      1 x '\\\\boxed{5 +}'",
    ]


def test_ten_at_most_and_the_result_s_draws_alone(stored):
    store, result = stored(*[(f"line {number}", *NONE) for number in range(30)], n=20)
    endings = unread_endings(store, result)
    assert (endings.unread, len(endings.commonest), len(endings.lines())) == (20, 10, 11)
    assert endings.lines()[0] == "no answer could be read in 20 responses; they end most often in"
    other = dataclasses.replace(result, verifiers={"toy": "2"})
    assert unread_endings(store, other).lines() == []


def test_nothing_is_said_where_everything_was_read(stored):
    store, result = stored(("5", VerdictValue.CORRECT, "bare/number", StopReason.EOS))
    assert unread_endings(store, result).lines() == []
