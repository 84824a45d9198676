"""Verdicts from a pool of processes on each node of the Ray cluster, so that slow verifiers grow with it.

`reward.custom_reward_function.path=pkg://counterpoise.engines.verl.judging`, `name=compute_score_by_node`; `counterpoise launch verl` names
`judged_by_node`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from counterpoise.engines.verl.rewards import check_reward, launched_row, score_of, score_of_run, unscored_score
from counterpoise.errors import MissingExtraError, UsageError, VerifierError
from counterpoise.types import Problem

try:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "ray", extra="verl", purpose="judging on the nodes of a cluster") from error

__all__ = ["compute_score_by_node", "judged_by_node"]

_TRIES = 3
"""Pools that one response is given to before it is unscored."""
_PAUSE = 0.5
"""Seconds before the second try; twice as long before each further one."""
_NODES_EVERY = 30.0
"""Seconds after which nodes are asked for again: clusters grow."""


class _NodeJudge:
    """On each node one process of Ray's, with so many killable workers and threads that wait for them."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def score(self, name: str, settings: tuple[tuple[str, Any], ...], gold: str, response: str) -> dict[str, Any]:
        return score_of(name, settings, gold, response, workers=self._workers)

    def judge(self, run: str, problem: Problem, response: str, wrong: float) -> dict[str, Any]:
        return score_of_run(run, problem, response, wrong=wrong, workers=self._workers)

    def process(self) -> int:
        """Its process id."""
        return os.getpid()


@dataclass(slots=True, kw_only=True)
class _Pool:
    node: str
    actor: Any
    asked: int = 0
    """Responses of this process that it has now."""
    failures: int = 0
    """Losses since its last answer."""


class _Pools:
    """The pools of the cluster, as this process sees them: it gives a response to the one that has the fewest of its own."""

    def __init__(self, workers: int) -> None:
        self._workers, self._pools, self._looked = workers, dict[str, _Pool](), -_NODES_EVERY
        self._lost: dict[str, float] = {}
        """When a node lost its pool: for a while the others are asked, because Ray takes its time to know that a node is gone."""

    def take(self) -> _Pool:
        if time.monotonic() - self._looked >= _NODES_EVERY:
            self._look()
        if not self._pools:
            raise VerifierError(
                "no node of the Ray cluster is alive that has a CPU to judge with; start one, or restart the run"
            )
        recent = time.monotonic() - _NODES_EVERY
        lost = {node: max(recent, self._lost.get(node, recent)) for node in self._pools}
        best = min(lost.values())  # where all lost theirs, the one that did so first
        pools = [pool for node, pool in self._pools.items() if lost[node] == best]
        fewest = min(pool.asked for pool in pools)
        return random.choice([pool for pool in pools if pool.asked == fewest])

    def answered(self, pool: _Pool) -> None:
        """It is well."""
        pool.failures = 0
        self._lost.pop(pool.node, None)

    def lost(self, pool: _Pool, before: int) -> None:
        """It gave no answer: look at which nodes are there before the next response.

        Ray starts a process that died again under the same handle, and ends it for everybody where its maker lets go of that; so only one
        that does not come back is made anew. `before` is how many failures there were when it was asked: all that it had then is one.
        """
        pool.failures = before + 1
        if pool.failures > 1 and self._pools.get(pool.node) is pool:
            del self._pools[pool.node]
        self._lost[pool.node] = time.monotonic()
        self._looked = -_NODES_EVERY

    def _look(self) -> None:
        alive = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]}
        cores = {node: count for node, count in alive.items() if count}
        self._pools = {node: self._pools.get(node) or self._start(node, cores[node]) for node in cores}
        self._looked = time.monotonic()

    def _start(self, node: str, cores: int) -> _Pool:
        workers = self._workers or max(1, cores // 2)
        actor = (
            ray.remote(_NodeJudge)
            .options(
                name=f"counterpoise-judge-{workers}-{node}",
                get_if_exists=True,  # of all processes that ask, the first starts it
                num_cpus=0,  # a trainer may hold all there are, and a pool that waits for one would wait for ever
                max_concurrency=workers,
                max_restarts=-1,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            )
            .remote(workers)
        )
        return _Pool(node=node, actor=actor)


@cache
def _pools(workers: int) -> _Pools:
    return _Pools(workers)


async def compute_score_by_node(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    *,
    verifier: str | None = None,
    workers_per_node: int = 0,
    **settings: Any,
) -> dict[str, Any]:
    """`rewards.compute_score`, judged by one of the pools that stand on every node of the Ray cluster that has CPUs.

    A response goes to the pool that has the fewest from this process. One whose pool dies (the node, or its process) is given to another,
    three in all; then it is `scored: False`, never wrong.

    Args:
        data_source: verl's field; the name of the verifier where `verifier` is not given.
        solution_str: the response.
        ground_truth: the gold.
        extra_info: not read.
        verifier: a name of `counterpoise list verifiers`.
        workers_per_node: processes of a pool, each killable; 0 is half the CPUs that Ray counts on the node.
        settings: settings of the verifier.

    Raises:
        UnknownNameError: no verifier has that name.
        ConfigError: a setting is unknown or out of range.
        DataError: there is no gold.
        UsageError: a number of workers that cannot be.
        VerifierError: no node is left.
    """
    name, chosen = check_reward(data_source, ground_truth, verifier, settings)
    return await _asked(workers_per_node, "score", name, chosen, str(ground_truth), solution_str)


async def judged_by_node(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    *,
    run: str,
    wrong: float = 0.0,
    workers_per_node: int = 0,
) -> dict[str, Any]:
    """`rewards.judged`, by the same pools: the reward function of a run that `counterpoise launch verl` started.

    Args:
        data_source: verl's field; not read.
        solution_str: the response, without what it begins with (`prompt.response_prefix`).
        ground_truth: not read; the gold is in the problem.
        extra_info: has the problem, as `data.rows_of` wrote it.
        run: the run file, which every node has to have under this name.
        wrong: score of what is not right, -1 for verl's own PPO.
        workers_per_node: processes of a pool (`verification.workers`); 0 is half the CPUs that Ray counts on the node.

    Raises:
        DataError: the row is not of such a run.
        UsageError: a number of workers that cannot be.
        VerifierError: no node is left.
    """
    problem, response = launched_row(data_source, solution_str, extra_info)
    return await _asked(workers_per_node, "judge", run, problem, response, wrong, wrong=wrong)


async def _asked(workers: int, method: str, *arguments: Any, wrong: float = 0.0) -> dict[str, Any]:
    """What one of the pools answers to this call of its judge."""
    if type(workers) is not int or workers < 0:
        raise UsageError(
            f"workers_per_node={workers!r}: give the number of processes on each node, or 0 for half its CPUs"
        )
    pools = _pools(workers)
    why = ""
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_PAUSE * 2 ** (attempt - 1))
        pool = pools.take()
        pool.asked += 1
        before = pool.failures
        try:
            found: dict[str, Any] = await getattr(pool.actor, method).remote(*arguments)
            pools.answered(pool)
            return found
        except ray.exceptions.RayTaskError as error:
            raise _cause(error) from error
        except ray.exceptions.RayError as error:  # of the actor, of its node, or of the way there
            pools.lost(pool, before)
            why = f"{type(error).__name__} on node {pool.node[:8]}"
        finally:
            pool.asked -= 1
    return unscored_score(f"crash: the process that judged died {_TRIES} times, last: {why}", wrong=wrong)


def _cause(error: Any) -> BaseException:
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else error
