"""Time of slow verdicts by the number of nodes that judge, each with one worker: a local Ray cluster (`make test-verl`'s environment).

python benchmarks/judging.py --answers 200 --seconds 0.5 --nodes 1 2
"""

import argparse
import asyncio
import os
import time
from pathlib import Path

os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")
os.environ.setdefault("RAY_raylet_start_wait_time_s", "240")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.cluster_utils import Cluster

from counterpoise.engines.verl import judging

SLOW = Path(__file__).parents[1] / "tests" / "engines" / "verl" / "slow_check.py"


def measure(nodes, *, answers, seconds, how, workers):
    """Seconds for the answers, once every worker runs; all of them are right."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=2)
    cluster.connect()

    async def ask(texts):
        return await asyncio.gather(
            *(
                judging.compute_score_by_node("d", text, "7", verifier=f"{SLOW}:{how}", workers_per_node=workers)
                for text in texts
            )
        )

    try:
        asyncio.run(ask(["0 7"] * 4 * nodes * workers))
        start = time.monotonic()
        found = asyncio.run(ask([f"{seconds} 7"] * answers))
        took = time.monotonic() - start
    finally:
        ray.shutdown()
        cluster.shutdown()
        judging._pools.cache_clear()
    assert all(one["score"] == 1.0 and one["scored"] for one in found), found
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--how", choices=["check", "solve"], default="check", help="sleep, or compute")
    given = parser.parse_args()
    first = 0.0
    for nodes in given.nodes:
        took = measure(nodes, answers=given.answers, seconds=given.seconds, how=given.how, workers=given.workers)
        first = first or took
        print(
            f"{nodes} node(s) x {given.workers} worker(s): {took:.1f} s, {first / took:.2f} times as fast", flush=True
        )


if __name__ == "__main__":
    main()
