import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("distributed_worker.py")


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """What one process and each of two processes ended with."""
    output = tmp_path_factory.mktemp("processes")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    commands = [[sys.executable, str(WORKER), str(output)], [sys.executable, *launch, str(WORKER), str(output)]]
    runs = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    for run in runs:
        text, _ = run.communicate(timeout=120)
        assert run.returncode == 0, text
    return {path.stem: torch.load(path, weights_only=True) for path in output.glob("*.pt")}


@pytest.mark.slow
def test_two_processes_with_unequal_shares_end_where_one_does(ends):
    assert sorted(ends) == ["1-0", "2-0", "2-1"]
    assert [ends[name]["processes"] for name in sorted(ends)] == [1, 2, 2]
    single = ends["1-0"]["whole"]
    for rank in (0, 1):
        weights, metrics, counts, gap, quantiles = ends[f"2-{rank}"]["whole"]
        assert torch.allclose(weights, single[0], rtol=0, atol=1e-6)
        assert counts == single[2]
        assert gap == pytest.approx(single[3], abs=1e-5)
        assert metrics.keys() == single[1].keys()
        for name, (total, count) in metrics.items():
            assert (total, count) == (pytest.approx(single[1][name][0], rel=1e-4, abs=1e-5), single[1][name][1]), name

        assert quantiles["entropy_plus"][0] > 0 < quantiles["log_ratio_minus"][0]
        for name, (count, low, high, median) in quantiles.items():
            expected = single[4][name]
            assert count == expected[0], name
            # the extremes are exact up to rounding, the median up to its bin
            assert (low, high) == pytest.approx(expected[1:3], abs=1e-5), name
            assert median == pytest.approx(expected[3], rel=0.021, abs=2e-4), name


@pytest.mark.slow
def test_processes_take_the_same_number_of_steps_and_stay_together(ends):
    first, second = ends["2-0"]["parts"], ends["2-1"]["parts"]  # 3 groups and 1; mini-batches of 2 over both: 2 steps
    assert first[2][0] == second[2][0] == 2
    assert torch.equal(first[0], second[0])


@pytest.mark.slow
def test_a_critic_of_two_processes_learns_what_one_learns_and_its_statistics_are_of_all(ends):
    parameters, seen = ends["1-0"]["critic"]
    for rank in (0, 1):
        own, all_of_them = ends[f"2-{rank}"]["critic"]
        assert torch.allclose(own, parameters, rtol=0, atol=1e-5)
        assert all_of_them == pytest.approx(seen, rel=1e-4)
    first, second = ends["2-0"]["critic_parts"], ends["2-1"]["critic_parts"]
    assert torch.equal(first[0], second[0])
    assert first[1] == second[1]
