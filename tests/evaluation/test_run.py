import json
from dataclasses import replace

import pytest

from counterpoise.errors import DataError, StoreError, UsageError
from counterpoise.evaluation.run import evaluate, grade
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.types import SamplingSettings, VerdictValue


def lines(directory):
    return sorted((directory / "rollouts.jsonl").read_text().splitlines())


def test_draws_grades_and_writes(tmp_path, fake):
    sampler, verify, seen = fake.FakeSampler(), fake.FakeVerify(), []
    result = fake.run(tmp_path, fake.make_problems(4), 10, sampler=sampler, verify=verify, on_progress=seen.append)
    assert (sampler.drawn, len(sampler.seeds), verify.judged) == (40, 1, 41)  # one extra judgement learns the version
    assert (result.rollouts, len(result.counts), result.verifiers) == (40, 4, {"toy": "1"})
    assert [row.k for row in result.curve] == [1, 2, 4, 8]
    assert [p.n for p in result.counts] == [10] * 4
    assert result.counts[0].c == 0  # its rate is 0
    assert [(p.stage, p.done, p.total) for p in seen] == [
        ("sample", 0, 40),
        ("sample", 40, 40),
        ("grade", 0, 40),
        ("grade", 40, 40),
    ]
    assert {p.name for p in tmp_path.iterdir()} == {
        "manifest.json",
        "passk.json",
        "problems.jsonl",
        "rollouts.jsonl",
        "verdicts-toy-1.jsonl",
    }


def test_blocks_have_seeds_of_their_own(tmp_path, fake):
    sampler = fake.FakeSampler()
    fake.run(tmp_path, fake.make_problems(5), 20, sampler=sampler, problems_per_batch=2, samples_per_block=8)
    assert len(set(sampler.seeds)) == len(sampler.seeds) == 9  # 3 batches of problems x 3 blocks of samples


def test_a_finished_evaluation_draws_nothing_again(tmp_path, fake):
    first = fake.run(tmp_path, fake.make_problems(4), 10)
    sampler, verify = fake.FakeSampler(), fake.FakeVerify()
    assert fake.run(tmp_path, fake.make_problems(4), 10, sampler=sampler, verify=verify) == first
    assert (sampler.drawn, verify.judged) == (0, 1)


@pytest.mark.parametrize("stop_after", [1, 20, 40, 48])
def test_an_interrupted_evaluation_ends_like_an_unbroken_one(tmp_path, fake, stop_after):
    options = {"problems_per_batch": 2, "samples_per_block": 4}
    whole = fake.run(tmp_path / "whole", fake.make_problems(5), 10, **options)
    with pytest.raises(KeyboardInterrupt):
        fake.run(
            tmp_path / "cut", fake.make_problems(5), 10, sampler=fake.FakeSampler(stop_after=stop_after), **options
        )
    sampler = fake.FakeSampler()
    cut = fake.run(tmp_path / "cut", fake.make_problems(5), 10, sampler=sampler, **options)
    assert cut == whole
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")
    assert sampler.drawn < 50


def test_a_block_in_pieces_gets_back_the_draws_it_lost(tmp_path, fake):
    whole = fake.run(tmp_path, fake.make_problems(3), 8)
    before = lines(tmp_path)
    rollouts = (tmp_path / "rollouts.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "rollouts.jsonl").write_bytes(b"".join(rollouts[:5]) + rollouts[5][:30])
    again = fake.run(tmp_path, fake.make_problems(3), 8)
    assert again.counts == whole.counts
    assert again.damaged_lines == 1
    assert set(before) < set(lines(tmp_path))
    assert len(lines(tmp_path)) == 25  # 24 draws and the damaged line


def test_more_rollouts_add_to_those_there(tmp_path, fake):
    fake.run(tmp_path, fake.make_problems(3), 8)
    before = set(lines(tmp_path))
    sampler = fake.FakeSampler()
    result = fake.run(tmp_path, fake.make_problems(3), 16, sampler=sampler, samples_per_block=8)
    assert before < set(lines(tmp_path))
    assert (result.rollouts, sampler.drawn) == (48, 24)
    fewer = fake.run(tmp_path, fake.make_problems(3), 4)
    assert (fewer.rollouts, [p.n for p in fewer.counts]) == (12, [4, 4, 4])


def test_another_verifier_version_grades_the_same_rollouts(tmp_path, fake):
    fake.run(tmp_path, fake.make_problems(3), 8)
    sampler = fake.FakeSampler()
    result = fake.run(tmp_path, fake.make_problems(3), 8, sampler=sampler, verify=fake.FakeVerify(version="2"))
    assert (sampler.drawn, result.verifiers) == (0, {"toy": "2"})
    assert (tmp_path / "verdicts-toy-1.jsonl").exists()


def test_each_verifier_keeps_its_own_file(tmp_path, fake):
    mixed = [*fake.make_problems(2), *fake.make_problems(4, "sums", "numeric")[2:]]
    result = fake.run(tmp_path, mixed, 4)
    assert result.verifiers == {"numeric": "1", "toy": "1"}
    assert list(result.by_task_type) == ["sums", "toy"]
    assert [row.problems for row in result.by_task_type["sums"]] == [2, 2, 2]


def test_truncation_reaches_the_verifier_and_the_result(tmp_path, fake):
    verify = fake.FakeVerify()
    result = fake.run(tmp_path, fake.make_problems(6), 50, verify=verify)
    cut = sum(json.loads(line)["stop_reason"] == "length" for line in lines(tmp_path))
    assert result.truncation_rate == cut / 300
    assert cut <= verify.cut <= cut + 1  # the first response is judged twice
    assert result.truncation_rate == pytest.approx(1 / 8, abs=0.06)


def test_only_unscored_rollouts_is_an_error_that_keeps_them(tmp_path, fake):
    class Hangs(fake.FakeVerify):
        def _one(self, problem, response):
            return super()._one(problem, "hang")

    with pytest.raises(StoreError) as error:
        fake.run(tmp_path, fake.make_problems(2), 3, verify=Hangs())
    assert str(error.value) == (
        "all 6 rollouts are unscored, so there is no pass@k: timeout (6). The rollouts are kept; fix the verifier or its data, "
        f"delete {tmp_path / 'verdicts-toy-1.jsonl'} and run the same command again to grade them anew"
    )
    assert len(lines(tmp_path)) == 6


def test_unscored_rollouts_leave_n(tmp_path, fake):
    class HangsOnWrong(fake.FakeVerify):
        def _one(self, problem, response):
            return super()._one(problem, response if response.startswith("right") else "hang")

    result = fake.run(tmp_path, fake.make_problems(3), 8, verify=HangsOnWrong())
    assert all(p.n == p.c and p.n + p.unscored == 8 for p in result.counts)
    assert result.unscored_reasons == {"timeout": sum(p.unscored for p in result.counts)}
    assert (result.curve[0].estimate, result.curve[0].bound_high) == (1.0, 1.0)
    assert result.curve[0].bound_low == pytest.approx(sum(p.c for p in result.counts) / 24)


def test_a_verifier_that_changes_under_way_is_refused(tmp_path, fake):
    fake.run(tmp_path, fake.make_problems(2), 4)
    verify = fake.FakeVerify(version="2")

    def moving(problems, responses, truncated):
        verdicts = verify(problems, responses, truncated)
        verify.version += "x"
        return verdicts

    with pytest.raises(StoreError, match="answered as toy 2x after beginning as toy 2; grade with one version"):
        grade(store=RolloutStore(tmp_path), problems=fake.make_problems(2), verify=moving, n=4)


def test_grading_is_a_step_of_its_own(tmp_path, fake):
    fake.run(tmp_path, fake.make_problems(2), 4)
    store = RolloutStore(tmp_path)
    assert grade(store=store, problems=fake.make_problems(2)[:1], verify=fake.FakeVerify("7"), n=2) == {
        "toy": ("toy", "7")
    }
    verdicts = list(store.verdicts("toy", "7"))
    assert [(v.problem_id, v.sample) for v in verdicts] == [("p000", 0), ("p000", 1)]
    assert {v.verdict.value for v in verdicts} == {VerdictValue.WRONG}


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"problems": []}, DataError, "no problems to evaluate: the split is empty; check the task's test file"),
        ({"n": 0}, UsageError, "n must be from 1 to 1048576 rollouts for each problem; got 0"),
        ({"ks": [1, 9]}, UsageError, "pass@9 cannot be estimated from n=8 rollouts; choose k from 1 to n, or raise n"),
        (
            {"samples_per_block": 0},
            UsageError,
            "problems_per_batch and samples_per_block must be at least 1; got 8 and 0",
        ),
        (
            {"settings": SamplingSettings(temperature=0)},
            UsageError,
            "temperature 0 is greedy, so all 8 responses to a problem",
        ),
        ({"seed": 8}, StoreError, "was begun with SamplingSettings.*and seed 7; asked for now: .*and seed 8"),
    ],
)
def test_impossible_requests_are_named_before_anything_is_drawn(tmp_path, fake, changes, kind, message):
    arguments = {
        "store": RolloutStore(tmp_path, fake.manifest()),
        "problems": fake.make_problems(2),
        "make_prompts": fake.make_prompts,
        "sampler": fake.FakeSampler(stop_after=0),
        "verify": fake.FakeVerify(),
        "n": 8,
        "settings": fake.SETTINGS,
        "seed": fake.SEED,
    }
    with pytest.raises(kind, match=message):
        evaluate(**arguments | changes)


def test_a_problem_listed_twice_is_refused(tmp_path, fake):
    with pytest.raises(
        DataError, match="problem p000 is listed 2 times; give each problem once, or it would weigh 2 times"
    ):
        fake.run(tmp_path, fake.make_problems(2)[:1] * 2, 4)


@pytest.mark.parametrize("opened", [False, True])
def test_a_thought_that_the_prompt_opened_is_judged_with_its_tag(tmp_path, fake, opened):
    judged = []

    def make_prompts(problems):
        end = "<think>\n" if opened else ""
        return [replace(prompt, text=prompt.text + end) for prompt in fake.make_prompts(problems)]

    class Verify(fake.FakeVerify):
        def __call__(self, problems, responses, truncated=None):
            judged.extend(responses)
            return super().__call__(problems, [text.removeprefix("<think>\n") for text in responses], truncated)

    fake.run(tmp_path, fake.make_problems(2), 3, verify=Verify(), make_prompts=make_prompts)
    assert judged and all(text.startswith("<think>\n") is opened for text in judged)
    # grading the store later judges the same texts
    again = []

    def verify(problems, responses, truncated=None):
        again.extend(responses)
        return fake.FakeVerify(version="2")(problems, [text.removeprefix("<think>\n") for text in responses], truncated)

    grade(store=RolloutStore(tmp_path), problems=fake.make_problems(2), verify=verify, n=3)
    assert set(again) == set(judged)


class _Begun:
    """Notes what becomes of it in `events`."""

    def __init__(self, fake, events):
        self.verify, self.events, self.asked = fake.FakeVerify(), events, {}

    def add(self, rows, problems, responses, truncated):
        self.events.append(("begun", len(rows)))
        self.asked |= dict(zip(rows, zip(problems, responses, truncated, strict=True), strict=True))

    def verdicts(self):
        self.events.append("judged")
        return self.verify(*zip(*(self.asked[row] for row in sorted(self.asked)), strict=True))

    def close(self):
        self.events.append("closed")


class _Sampler:
    def __init__(self, fake, events, **options):
        self.sampler, self.events = fake.FakeSampler(**options), events

    def sample(self, prompts, **options):
        self.events.append("drawn")
        return self.sampler.sample(prompts, **options)


def test_a_block_is_judged_while_the_next_is_drawn_and_the_store_is_the_same(tmp_path, fake):
    options = {"problems_per_batch": 2, "samples_per_block": 4}
    events = []
    whole = fake.run(tmp_path / "one", fake.make_problems(4), 6, **options)
    begin, sampler = (lambda: _Begun(fake, events)), _Sampler(fake, events)
    verify = fake.FakeVerify()
    ahead = fake.run(
        tmp_path / "other", fake.make_problems(4), 6, begin=begin, sampler=sampler, verify=verify, **options
    )
    assert ahead == whole and verify.judged == 1  # which learns the version
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "other"))
    assert one == other
    half = ["judged", ("begun", 8), "drawn", "judged", ("begun", 4)]
    assert events == ["drawn", *half[1:], "drawn", *half, "judged"]


def test_what_was_begun_when_an_evaluation_stops_is_judged_when_it_goes_on(tmp_path, fake):
    options = {"problems_per_batch": 2, "samples_per_block": 4}
    whole = fake.run(tmp_path / "whole", fake.make_problems(4), 6, **options)
    events = []
    begin = lambda: _Begun(fake, events)  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        fake.run(
            tmp_path / "cut",
            fake.make_problems(4),
            6,
            begin=begin,
            sampler=_Sampler(fake, events, stop_after=8),
            **options,
        )
    assert events == ["drawn", ("begun", 8), "drawn", "closed"]
    events.clear()
    verify = fake.FakeVerify()
    again = fake.run(tmp_path / "cut", fake.make_problems(4), 6, begin=begin, verify=verify, **options)
    assert again == whole
    assert events == [("begun", 4), "judged", ("begun", 8), "judged", ("begun", 4), "judged"]
    assert verify.judged == 8 + 1
