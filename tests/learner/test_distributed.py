from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("distributed_worker.py")


@pytest.fixture(scope="module")
def ends(tmp_path_factory, pythons):
    """What one process, and each of two and of three, ended with."""
    output = tmp_path_factory.mktemp("processes")
    runs = [process for count in (1, 2, 3) for process in pythons(count, WORKER, output)]
    for run in runs:
        assert run.wait().returncode == 0, run.stdout + run.stderr
    return {path.stem: torch.load(path, weights_only=True) for path in output.glob("*.pt")}


@pytest.mark.slow
def test_two_processes_with_unequal_shares_end_where_one_does(ends):
    assert sorted(ends) == ["1-0", "2-0", "2-1", "3-0", "3-1", "3-2"]
    assert [ends[name]["processes"] for name in sorted(ends)] == [1, 2, 2, 3, 3, 3]
    single = ends["1-0"]["whole"]
    for rank in (0, 1):
        weights, metrics, counts, gap, quantiles = ends[f"2-{rank}"]["whole"]
        assert torch.allclose(weights, single[0], rtol=0, atol=1e-6)
        assert counts == single[2]
        assert gap == pytest.approx(single[3], abs=1e-5)
        assert metrics.keys() == single[1].keys()
        for name, (total, count) in metrics.items():
            assert (total, count) == (pytest.approx(single[1][name][0], rel=1e-4, abs=1e-5), single[1][name][1]), name

        assert quantiles["entropy_plus"][0] > 0 < quantiles["ratio_minus"][0]
        for name, (count, low, high, median) in quantiles.items():
            expected = single[4][name]
            assert count == expected[0], name
            # the extremes are exact up to rounding, the median up to its bin
            assert (low, high) == pytest.approx(expected[1:3], abs=1e-5), name
            assert median == pytest.approx(expected[3], rel=0.021, abs=2e-4), name


# 4 groups: 2 mini-batches of 2; 3 groups with credit, twice, one by one; 4 rows with credit in twos, twice; ceil(8 / 3) mini-batches
@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "steps", "rows"), [("parts", 2, 8), ("parts_twice", 6, 8), ("rows", 4, 8), ("all_rows", 3, 8)]
)
@pytest.mark.parametrize("processes", [2, 3])
def test_mini_batches_are_dealt_over_processes_as_one_process_deals_them(ends, processes, case, steps, rows):
    weights, metrics, counts, _, _ = ends["1-0"][case]
    assert counts[0] == steps
    assert metrics["rows_per_update"] == (rows, steps)
    for rank in range(processes):
        own = ends[f"{processes}-{rank}"][case]
        assert torch.allclose(own[0], weights, rtol=0, atol=4e-6)  # 2.1e-6 were seen on a Xeon
        assert torch.equal(own[0], ends[f"{processes}-0"][case][0])
        assert own[2] == counts
        for name in ("rows_per_update", "learning_rate", "gradient_norm", "loss"):
            assert own[1][name] == pytest.approx(metrics[name], rel=1e-4), name


@pytest.mark.slow
def test_a_critic_of_two_processes_learns_what_one_learns_and_its_statistics_are_of_all(ends):
    parameters, seen = ends["1-0"]["critic"]
    for rank in (0, 1):
        own, all_of_them = ends[f"2-{rank}"]["critic"]
        assert torch.allclose(own, parameters, rtol=0, atol=1e-5)
        assert all_of_them == pytest.approx(seen, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["critic_parts", "critic_rows"])
@pytest.mark.parametrize("processes", [2, 3])
def test_a_critic_makes_the_same_mini_batches_too(ends, processes, case):
    parameters, seen = ends["1-0"][case]
    for rank in range(processes):
        own, all_of_them = ends[f"{processes}-{rank}"][case]
        assert torch.allclose(own, parameters, rtol=0, atol=1e-5)
        assert torch.equal(own, ends[f"{processes}-0"][case][0])
        assert all_of_them == pytest.approx(seen, rel=1e-3)
