"""Verdicts of pools on the nodes of a local Ray cluster: two nodes of one machine."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from counterpoise.engines.verl import judging
from counterpoise.engines.verl.judging import compute_score_by_node, judged_by_node
from counterpoise.engines.verl.rewards import compute_score, judged
from counterpoise.errors import ConfigError, DataError, UnknownNameError, UsageError
from counterpoise.runfile import dump_config, load_config

HERE = Path(__file__).parent
SLOW = f"{HERE / 'slow_check.py'}:check"


@pytest.fixture(scope="module")
def nodes():
    """A cluster of two nodes; removes the second when asked to."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": "240",
        }.items():
            patch.setenv(name, value)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        second = cluster.add_node(num_cpus=2)
        cluster.connect()
        yield lambda: cluster.remove_node(second, allow_graceful=False)
        ray.shutdown()
        cluster.shutdown()
        judging._pools.cache_clear()


def score(responses, *, gold="7", verifier=SLOW, workers=1):
    async def all_of():
        return await asyncio.gather(
            *(compute_score_by_node("d", one, gold, verifier=verifier, workers_per_node=workers) for one in responses)
        )

    return asyncio.run(all_of())


def processes(workers=1):
    """Process id of the pool on each node, once Ray has started those again that died."""
    pools = judging._pools(workers)
    deadline = time.monotonic() + 60
    while True:
        pools.take()
        try:
            return {node: ray.get(pool.actor.process.remote()) for node, pool in pools._pools.items()}
        except ray.exceptions.ActorUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_verdicts_are_those_of_the_reward_function_and_all_nodes_give_them(nodes):
    texts = ["\\boxed{12}", "\\boxed{13}", "no answer", "\\boxed{24/2}"]
    assert score(texts, gold="12", verifier="math") == [compute_score("math", text, "12") for text in texts]
    assert len(set(processes().values())) == 2
    score(["0 7"] * 4)  # starts the workers
    start = time.monotonic()
    found = score(["1.0 7", "1.0 8"] * 4)  # eight seconds of one worker, four of one on each node
    assert [one["score"] for one in found] == [1.0, 0.0] * 4 and all(one["scored"] for one in found)
    assert time.monotonic() - start < 7


def test_a_launched_runs_own_verifier_is_asked_on_all_nodes_and_may_raise_or_hang(nodes, tmp_path):
    run = tmp_path / "launch.toml"
    lab = HERE.parents[2] / "recipes" / "lab.toml"
    run.write_text(dump_config(load_config(lab, ["verification.timeout=0.5", "verification.blame=none"])))
    problem = {
        "problem_id": "1", "task_type": "own", "question": "?", "gold": "7", "meta": {}, "record": {},
        "verifier": f"{HERE / 'slow_check.py'}:solve",
    }  # fmt: skip
    extra = {"problem": json.dumps(problem), "prefix": "0 "}
    said = {"run": str(run), "wrong": -1.0}

    async def all_of(texts):
        asked = (judged_by_node("own", text, "7", extra, workers_per_node=1, **said) for text in texts)
        return await asyncio.gather(*asked)

    right, wrong, raised = asyncio.run(all_of(["7", "8", "raise"]))
    assert [right, wrong] == [judged("own", text, "7", extra, **said) for text in "78"]
    assert (right["score"], wrong["score"]) == (1.0, -1.0)
    assert (raised["score"], raised["scored"]) == (-1.0, False) and "asked for" in raised["reason"]
    extra["prefix"] = ""
    slow, fine = asyncio.run(all_of(["60 7", "0 7"]))
    assert slow["scored"] is False and slow["reason"].startswith("timeout")
    assert (fine["score"], fine["scored"]) == (1.0, True)
    with pytest.raises(DataError, match="not of the data that launch wrote"):
        asyncio.run(judged_by_node("own", "7", "7", {}, **said))
    said["run"] = str(tmp_path / "gone.toml")  # a node that has not got the run's directory
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        asyncio.run(all_of(["0 7"]))


def test_what_a_dead_process_had_is_judged_again(nodes):
    before = processes()

    async def killing():
        asked = [compute_score_by_node("d", "1.5 7", "7", verifier=SLOW, workers_per_node=1) for _ in range(4)]
        tasks = [asyncio.create_task(one) for one in asked]
        await asyncio.sleep(1.0)
        os.kill(next(iter(before.values())), signal.SIGKILL)
        return await asyncio.gather(*tasks)

    assert [(one["score"], one["scored"]) for one in asyncio.run(killing())] == [(1.0, True)] * 4
    after = processes()
    assert set(after) == set(before) and after != before


def test_what_kills_every_pool_is_unscored_and_not_wrong(nodes, monkeypatch):
    monkeypatch.setattr(judging, "_PAUSE", 0.01)
    fatal = judging._pools(1).take()

    class Dying:
        class score:
            @staticmethod
            async def remote(*_):
                raise ray.exceptions.ActorDiedError

    monkeypatch.setattr(judging._Pools, "take", lambda self: judging._Pool(node=fatal.node, actor=Dying))
    [found] = score(["0 7"])
    assert (found["score"], found["scored"]) == (0.0, False)
    assert found["reason"].startswith("crash: the process that judged died 3 times, last: ActorDiedError on node")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"verifier": "maths"}, UnknownNameError),
        ({"ground_truth": None, "verifier": "math"}, DataError),
        ({"verifier": "math", "workers_per_node": -1}, UsageError),
        ({"verifier": "math", "workers_per_node": "4"}, UsageError),
    ],
)
def test_a_mistake_is_named_before_anything_starts(arguments, error):
    given = {"data_source": "d", "solution_str": "1", "ground_truth": "1", **arguments}
    with pytest.raises(error):
        asyncio.run(compute_score_by_node(**given))


def test_a_lost_node_costs_a_second_try(nodes):
    assert len(processes()) == 2

    async def losing():
        asked = [compute_score_by_node("d", "2.0 7", "7", verifier=SLOW, workers_per_node=1) for _ in range(4)]
        tasks = [asyncio.create_task(one) for one in asked]
        await asyncio.sleep(0.5)
        await asyncio.to_thread(nodes)
        return await asyncio.gather(*tasks)

    assert [(one["score"], one["scored"]) for one in asyncio.run(losing())] == [(1.0, True)] * 4
