"""The store under `kill -9`: whatever the moment, nothing written is lost and nothing is counted twice."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from counterpoise.evaluation.store.rollouts import RolloutStore

PROGRAM = str(Path(__file__).parents[1] / "fake_evaluation.py")
PROBLEMS, N, PADDING, KILLS = 6, 32, 60_000, 30  # 11 MB, so that kills fall into writes too


@pytest.mark.slow
def test_killed_at_random_moments_many_times(tmp_path, fake):
    moments, killed = random.Random(11), 0
    stored: set[tuple[str, int]] = set()
    command = [sys.executable, PROGRAM, str(tmp_path), str(PROBLEMS), str(N), str(PADDING)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as victim:

        def evaluate(kill_after):
            victim.stdin.write(f"{kill_after}\n")
            victim.stdin.flush()
            return int(victim.stdout.readline())

        while killed < KILLS:
            ended = evaluate(moments.uniform(0.001, 0.12))
            killed += ended == -9
            assert ended in (0, -9)
            if (tmp_path / "manifest.json").exists():
                now = {(r.problem_id, r.sample) for r in RolloutStore(tmp_path).rollouts()}
                assert stored <= now
                stored = now
            if len(stored) == PROBLEMS * N and moments.random() < 0.5:  # cut the file anywhere and go on
                path = tmp_path / "rollouts.jsonl"
                path.write_bytes(path.read_bytes()[: moments.randrange(path.stat().st_size)])
                stored = set()
        assert evaluate("never") == 0
        path = tmp_path / "rollouts.jsonl"
        path.write_bytes(path.read_bytes()[:-1000])  # once for certain in the middle of a line
        assert evaluate("never") == 0

    blocks = {"problems_per_batch": 3, "samples_per_block": 8}
    sampler = fake.FakeSampler(padding=PADDING)
    unbroken = fake.run(tmp_path / "unbroken", fake.make_problems(PROBLEMS), N, sampler=sampler, **blocks)
    nothing_left = fake.FakeSampler(stop_after=0)
    resumed = fake.run(tmp_path, fake.make_problems(PROBLEMS), N, sampler=nothing_left, **blocks)
    store = RolloutStore(tmp_path)
    assert {(r.problem_id, r.sample): r for r in store.rollouts()} == {
        (r.problem_id, r.sample): r for r in RolloutStore(tmp_path / "unbroken").rollouts()
    }
    assert store.duplicates == 0
    assert sum(1 for _ in store.verdicts("toy", "1")) == PROBLEMS * N
    assert resumed == replace(unbroken, damaged_lines=resumed.damaged_lines)
    assert resumed.damaged_lines > 0
