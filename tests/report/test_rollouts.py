import math

from counterpoise.report.collect import read_runs
from counterpoise.report.rollouts import kind_counts, rollout_data
from counterpoise.report.samples import find_rollouts


def found_of(path):
    [run] = read_runs([str(path)])
    return find_rollouts(run)


def data_of(path):
    return rollout_data(found_of(path))


def test_tokens_have_their_probability_and_credit(make_run, disk):
    tokens, chances = ["<", "", "b", ""], [-math.inf, -0.1, math.log(0.35), 0.0]
    samples = [disk.sample(tokens=tokens, log_probs=chances, plus=[0, 0.5, 0, 0], minus=[1, 0, 0, 0])]
    [shown] = data_of(make_run("a", samples=samples))
    # e^-0.1 is 0.905; a token without text is a dot, the last one the end
    assert shown["tokens"] == [["<", 0, -1], ["·", 0.905, 0.5], ["b", 0.35, 0], ["⟨end⟩", 1, 0]]
    assert shown["facts"] == ["step 1", "mean log p -inf", "reward +1", "credit -1 to +0.5"]


def test_a_gold_that_repeats_the_question_gives_way_to_a_solution(make_run, disk):
    samples = [
        disk.sample(problem="p0", question="2,3=5", gold="2,3=5", solution="2+3"),
        disk.sample(problem="p1", gold="5", solution=None, log_probs=[-0.2] * 3),
    ]
    first, second = data_of(make_run("a", samples=samples))
    assert (first["gold"], first["solution"]) == (None, "2+3")
    assert (second["gold"], second["solution"]) == ("5", None)


def test_long_ones_are_cut_and_nothing_invisible_is_left(make_run, disk):
    samples = [disk.sample(tokens=["a\u202e"] * 500, log_probs=[-0.1] * 500, question="q" * 5000)]
    [shown] = data_of(make_run("a", samples=samples))
    assert (len(shown["tokens"]), shown["more"], shown["tokens"][0][0]) == (400, 100, "a⟨U+202E⟩")
    assert shown["question"].endswith("q … (1,000 more characters)")


def test_kinds_are_counted_and_one_that_was_cut_off_is_of_two(make_run, disk):
    samples = [
        disk.sample(problem="p0"),
        disk.sample(problem="p1", verdict="no_answer", stop_reason="length", reward=-1.0),
        disk.sample(problem="p2", verdict="wrong", reward=-1.0),
    ]
    found = found_of(make_run("a", samples=samples))
    assert kind_counts(found) == {"right": 1, "wrong": 1, "no answer": 1, "cut off": 1}
    assert "cut off at the token limit" in rollout_data(found)[2]["facts"]
