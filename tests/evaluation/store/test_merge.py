import json
from dataclasses import replace

import pytest

from counterpoise.errors import StoreError, UsageError
from counterpoise.evaluation.estimators.subsets import MAX_ROLLOUTS
from counterpoise.evaluation.run import grade, sample
from counterpoise.evaluation.store.merge import merge_stores
from counterpoise.evaluation.store.rollouts import RolloutStore, StoredRollout
from counterpoise.evaluation.summary import summarise
from counterpoise.types import StopReason


@pytest.fixture
def made(tmp_path, fake):
    """`made("a", {"p": "xyz"}, seed=1)`: a store with three draws of p, their texts x, y and z."""

    def make(name, texts, *, seed, **changes):
        store = RolloutStore(tmp_path / name, fake.manifest(**{"seed": seed} | changes))
        store.append(
            [
                StoredRollout(
                    problem_id=problem, sample=i, seed=100 * seed, text=text, tokens=3, stop_reason=StopReason.EOS
                )
                for problem, row in texts.items()
                for i, text in enumerate(row)
            ]
        )  # fmt: skip
        return store.directory

    return make


def texts(directory):
    """By problem, the texts in the order of their sample indices, which must be 0, 1, 2, …"""
    rows = {}
    for rollout in RolloutStore(directory).rollouts():
        rows.setdefault(rollout.problem_id, {})[rollout.sample] = rollout.text
    assert all(sorted(row) == list(range(len(row))) for row in rows.values())
    return {problem: "".join(row[i] for i in range(len(row))) for problem, row in rows.items()}


def gave(merged):
    return [(one.added, one.known) for one in merged]


def test_other_seeds_add_up(made, tmp_path):
    a, b = made("a", {"p": "xy", "q": "z"}, seed=1), made("b", {"p": "uvw", "r": "s"}, seed=2)
    before = [(path / "rollouts.jsonl").read_bytes() for path in (a, b)]
    merged = merge_stores(tmp_path / "all", [a, b])
    assert [one.source for one in merged] == [a, b]
    assert gave(merged) == [(3, 0), (4, 0)]
    # b's samples 0 and 1 of p take the lowest free indices 2 and 3 in turn; then its sample 2 is taken too.
    assert texts(tmp_path / "all") == {"p": "xyuvw", "q": "z", "r": "s"}
    assert RolloutStore(tmp_path / "all").manifest == RolloutStore(a).manifest
    assert [(path / "rollouts.jsonl").read_bytes() for path in (a, b)] == before


def test_the_same_rollout_counts_once(made, tmp_path):
    a, b = made("a", {"p": "xy"}, seed=1), made("b", {"p": "uv"}, seed=2)
    copy = made("copy", {"p": "xyz"}, seed=1)
    target = tmp_path / "all"
    # Of the copy only its third draw is new, and index 2 is taken by b's first.
    assert gave(merge_stores(target, [a, b, copy])) == [(2, 0), (2, 0), (1, 2)]
    assert texts(target) == {"p": "xyuvz"}
    whole = (target / "rollouts.jsonl").read_bytes()
    assert gave(merge_stores(target, [copy, b, a])) == [(0, 3), (0, 2), (0, 2)]
    assert (target / "rollouts.jsonl").read_bytes() == whole


def test_a_merged_store_remembers_where_its_draws_are_from(made, tmp_path):
    a, b, c = (made(name, {"p": row}, seed=seed) for name, row, seed in (("a", "xy", 1), ("b", "uv", 2), ("c", "s", 3)))
    merge_stores(tmp_path / "ab", [a, b])
    merge_stores(tmp_path / "cb", [c, b])
    assert gave(merge_stores(tmp_path / "all", [tmp_path / "ab", tmp_path / "cb"])) == [(4, 0), (1, 2)]
    assert sorted(texts(tmp_path / "all")["p"]) == sorted("xyuvs")
    assert gave(merge_stores(tmp_path / "all", [a, b, c])) == [(0, 2), (0, 2), (0, 1)]


def test_an_evaluation_itself_can_be_the_target(made):
    a, b = made("a", {"p": "xy"}, seed=1), made("b", {"p": "u"}, seed=2)
    assert gave(merge_stores(a, [b])) == [(1, 0)]
    assert texts(a) == {"p": "xyu"}
    with pytest.raises(UsageError, match="is the target and a source at once"):
        merge_stores(a, [b, a.parent / "b" / ".." / "a"])
    with pytest.raises(UsageError, match="at least one source"):
        merge_stores(a, [])


@pytest.mark.parametrize("cut", [0, 1, 250, 700, 1200, -1])
def test_a_kill_at_any_byte_loses_nothing_and_doubles_nothing(made, tmp_path, cut):
    a, b = made("a", {"p": "xyz", "q": "rst"}, seed=1), made("b", {"p": "uv", "q": "wxyz"}, seed=2)
    target = tmp_path / "all"
    merge_stores(target, [a, b])
    whole = (target / "rollouts.jsonl").read_bytes()
    assert len(whole) > 1200
    (target / "rollouts.jsonl").write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    merged = merge_stores(target, [a, b])
    # A line that lacks only its newline is whole.
    kept += cut == -1
    assert sum(one.added for one in merged) == 12 - kept
    assert sum(one.known for one in merged) == kept
    assert texts(target) == {"p": "xyzuv", "q": "rstwxyz"}
    survived = whole[:cut].rpartition(b"\n")[0]
    assert (target / "rollouts.jsonl").read_bytes().startswith(survived)


def test_a_kill_after_the_manifest(made, tmp_path):
    a = made("a", {"p": "xy"}, seed=1)
    RolloutStore(tmp_path / "all", RolloutStore(a).manifest)
    assert gave(merge_stores(tmp_path / "all", [a])) == [(2, 0)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "n"}, "model is 'm' in"),
        ({"weights": "step 4"}, "weights is None in .* and 'step 4' in"),
        ({"task": "toy:train"}, "task is 'toy:test'"),
        ({"template": "chat"}, "template is 'plain'"),
    ],
)
def test_only_the_seed_may_differ(made, tmp_path, changes, says):
    a, b = made("a", {"p": "x"}, seed=1), made("b", {"p": "u"}, seed=2, **changes)
    with pytest.raises(StoreError, match=f"cannot merge .*b: only the seed may differ, but {says}"):
        merge_stores(tmp_path / "all", [a, b])
    assert not (tmp_path / "all").exists()
    before = (a / "rollouts.jsonl").read_bytes()
    with pytest.raises(StoreError, match=says):
        merge_stores(a, [b])
    assert (a / "rollouts.jsonl").read_bytes() == before


def test_a_differing_setting_is_named(made, tmp_path, fake):
    hot = replace(fake.SETTINGS, temperature=1.0)
    a, b = made("a", {"p": "x"}, seed=1), made("b", {"p": "u"}, seed=2, settings=hot)
    with pytest.raises(StoreError, match=r"settings\.temperature is 0\.6 in .*a and 1\.0 in .*b\. Nothing was written"):
        merge_stores(tmp_path / "all", [a, b])


def test_what_is_no_store_is_refused(made, tmp_path):
    a = made("a", {"p": "x"}, seed=1)
    with pytest.raises(StoreError, match="nowhere holds no rollout store"):
        merge_stores(tmp_path / "all", [a, tmp_path / "nowhere"])
    assert not (tmp_path / "all").exists()
    (a / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"but no manifest\.json"):
        merge_stores(a, [made("b", {"p": "x"}, seed=2)])


def test_damaged_lines_are_named_and_the_rest_is_merged(made, tmp_path):
    a = made("a", {"p": "xyz"}, seed=1)
    first, second, third = (a / "rollouts.jsonl").read_text().splitlines()
    record = json.loads(second)
    del record["seed"]
    (a / "rollouts.jsonl").write_text("\n".join([first, "{torn", json.dumps(record), third, third]) + "\n")
    [merged] = merge_stores(tmp_path / "all", [a])
    assert (merged.added, merged.known) == (2, 0)
    assert [damage.line for damage in merged.damages] == [2, 3]
    assert "rollouts.jsonl:2: not JSON" in str(merged.damages[0])
    assert "fields missing or wrong: KeyError: 'seed'" in str(merged.damages[1])
    # The lost draw comes from another copy, under the index it had.
    assert gave(merge_stores(tmp_path / "all", [made("b", {"p": "xyz"}, seed=1)])) == [(1, 2)]
    assert texts(tmp_path / "all") == {"p": "xyz"}


def test_more_draws_than_a_store_holds(made, tmp_path, monkeypatch):
    assert MAX_ROLLOUTS > 5
    monkeypatch.setattr("counterpoise.evaluation.store.merge.MAX_ROLLOUTS", 5)
    a, b = made("a", {"p": "xyz"}, seed=1), made("b", {"p": "uvw"}, seed=2)
    with pytest.raises(StoreError, match="problem p would have more than 5 draws; merge fewer stores"):
        merge_stores(tmp_path / "all", [a, b])


def test_two_evaluations_become_one_of_twice_the_n(tmp_path, fake):
    problems = fake.make_problems(4)
    paths = []
    for seed in (1, 2):
        store = RolloutStore(tmp_path / str(seed), fake.manifest(seed=seed))
        sample(
            store=store,
            problems=problems,
            make_prompts=fake.make_prompts,
            sampler=fake.FakeSampler(),
            n=600,
            settings=fake.SETTINGS,
            seed=seed,
        )
        paths.append(store.directory)
    assert gave(merge_stores(tmp_path / "all", paths)) == [(2400, 0), (2400, 0)]
    counted = []
    for path in (*paths, tmp_path / "all"):
        store = RolloutStore(path)
        graders = grade(store=store, problems=problems, verify=fake.FakeVerify(), n=1200)
        counted.append([(p.n, p.c) for p in summarise(store, problems, n=1200, graders=graders).counts])
    one, two, both = counted
    assert [n for n, _ in both] == [1200] * 4
    assert [c for _, c in both] == [c + d for (_, c), (_, d) in zip(one, two, strict=True)]
