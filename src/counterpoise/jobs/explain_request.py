"""The request to `explain`: which problems, which rollout, and a response of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from counterpoise.build.balance import balance_refused
from counterpoise.config import CriticConfig, RunConfig
from counterpoise.errors import DataError, UsageError
from counterpoise.lazy import np
from counterpoise.prompts.templates import Tokenizer
from counterpoise.tasks.base import Task
from counterpoise.tasks.shared.identity import problem_id
from counterpoise.types import Problem, Prompt, Rollout, StopReason

if TYPE_CHECKING:
    from counterpoise.engines.local.policy import Policy
    from counterpoise.pipeline import Experience

__all__ = ["PICKS", "Request", "choose_problems", "choose_rollout", "given_rollout", "one_step"]

PICKS = ("wrong", "right")
_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of `explain`.

    Raises:
        UsageError: what is asked for contradicts itself.
    """

    rules: Sequence[str]
    """Credit rules, each with a step of its own, e.g. `nsr`, or `nsr+unlikelihood` with token weights; the first is shown first."""
    problems: int = 16
    """Problems of the batch, the explained one included."""
    problem: str | None = None
    """Id of the problem, or the beginning of one."""
    question: str | None = None
    """A question of the user's own, in place of a problem of the task."""
    gold: str | None = None
    """Its answer."""
    response: str | None = None
    """A response of the user's own; one of the group is replaced by it."""
    pick: str = "wrong"
    """`wrong`, `right`, or the index of a rollout in its group."""
    alternatives: int = 5
    """Likely alternatives listed at each position."""

    def __post_init__(self) -> None:
        if not self.rules or len(set(self.rules)) < len(self.rules):
            raise UsageError(f"rules are {', '.join(self.rules) or 'none'}; name each rule once, and one at least")
        if self.problem is not None and self.question is not None:
            raise UsageError("--problem and --question name two problems; leave one of them away")
        if self.gold is not None and self.question is None:
            raise UsageError("--gold is the answer to a --question; a problem of the task has its own")
        if self.response is not None and self.problem is None and self.question is None:
            raise UsageError("--response answers no problem; add --problem ID or --question TEXT")
        if self.pick not in PICKS and not self.pick.isdecimal():
            raise UsageError(f"--pick is '{self.pick}'; it must be wrong, right or the number of a rollout, from 0")


def one_step(config: RunConfig, rule: str) -> RunConfig:
    """The same run with this rule, and one full-rate update a batch.

    `RULE+WEIGHTS` names token weights as well; without, they are the run's own. Settings belong to the run's own rule and weights,
    and so does a controller that would weigh the signs a second time.
    """
    name, named, weights = rule.partition("+")
    credit: dict[str, Any] = {}
    changed: dict[str, dict[str, Any]] = {
        "credit": credit,
        "learner": {"minibatch": None, "epochs": 1, "warmup_steps": 0, "schedule": "constant"},
    }
    if name != config.credit.rule:
        credit |= {"rule": name, "settings": {}}
        changed["critic"] = CriticConfig().model_dump()
    if named and weights != config.credit.token_weights:
        credit |= {"token_weights": weights, "token_weight_settings": {}}
    own = config.changed(**changed)
    if name != config.credit.rule and balance_refused(own):
        own = own.changed(credit={"controller": "constant", "controller_settings": {}})
    return own


def choose_problems(task: Task, request: Request) -> list[Problem]:
    """`request.problems` problems of the test side (or of the training side, where there is none) by identity, the asked one first.

    Raises:
        DataError: there is no such problem, several begin like that, or the question has no gold.
    """
    test = sorted(task.problems("test"), key=lambda problem: problem.problem_id)
    others = test or sorted(task.problems("train"), key=lambda problem: problem.problem_id)
    asked = _asked(task, request, others)
    rest = [problem for problem in others if not asked or problem.problem_id != asked[0].problem_id]
    return (asked + rest)[: request.problems]


def _asked(task: Task, request: Request, others: Sequence[Problem]) -> list[Problem]:
    if request.question is not None:
        return [_own(request, others)]
    if request.problem is None:
        return []
    both = (*task.problems("train"), *task.problems("test"))
    known = {problem.problem_id: problem for problem in both}
    found = [problem for name, problem in known.items() if name.startswith(request.problem)]
    if len(found) != 1:
        near = ", ".join(sorted(problem.problem_id for problem in found or others)[:3])
        what = (
            f"{len(found)} problems of task '{task.name}' have ids that begin"
            if found
            else "no problem has an id that begins"
        )
        raise DataError(f"{what} with '{request.problem}', e.g. {near}; give a longer beginning of one that there is")
    return found


def _own(request: Request, others: Sequence[Problem]) -> Problem:
    """The user's question, judged as the task's own are; a task whose questions are their own golds needs no other."""
    assert request.question is not None
    if not others:
        raise DataError("the task has no problems, so nothing says how a question of yours is judged")
    like, gold = others[0], request.gold
    if gold is None and all(problem.question == problem.gold for problem in others):
        gold = request.question
    if gold is None:
        raise DataError("--question needs its answer, or nobody knows which responses are right: add --gold TEXT")
    return replace(
        like,
        problem_id=problem_id(like.task_type, request.question),
        question=request.question,
        gold=gold,
        demonstration=None,
        meta={},
    )


def given_rollout(policy: Policy, prompt: Prompt, response: str, *, temperature: float) -> Rollout:
    """The user's response as a rollout that ends by itself; its log-probabilities are zeros until somebody measures them.

    Raises:
        DataError: it has no tokens, the tokenizer cannot spell it, or it is longer than the model can read.
    """
    tokenizer: Tokenizer = policy.tokenizer
    shown = response if len(response) <= _SHOWN else f"{response[:_SHOWN]}…"
    ids = tokenizer.encode(response, add_special_tokens=False)
    if not ids:
        raise DataError(f"--response {shown!r} has no tokens; write the text of a response")
    spelled = str(policy.tokenizer.decode(ids, skip_special_tokens=True))
    unknown = policy.tokenizer.unk_token_id
    if (unknown is not None and unknown in ids) or spelled.strip() != response.strip():
        raise DataError(
            f"the model's tokenizer cannot spell --response {shown!r}: it reads {spelled[:_SHOWN]!r}; "
            "use characters that the model knows"
        )
    ids = [*ids, policy.tokenizer.eos_token_id]
    longest = getattr(policy.model.config, "max_position_embeddings", None)
    if longest is not None and len(prompt.token_ids) + len(ids) > longest:
        raise DataError(
            f"--response has {len(ids)} tokens with its end and the prompt {len(prompt.token_ids)}; the model reads {longest}; shorten it"
        )
    return Rollout(
        problem_id=prompt.problem.problem_id,
        prompt_ids=prompt.token_ids,
        token_ids=np.array(ids, dtype=np.int64),
        mask=np.ones(len(ids), dtype=np.bool_),
        log_probs=np.zeros(len(ids), dtype=np.float32),
        text=response,
        temperature=temperature,
        stop_reason=StopReason.EOS,
        policy_version=0,
    )


def choose_rollout(experience: Experience, request: Request) -> tuple[int, str]:
    """The row to explain, and why it, in words.

    A response of the user's is row 0. With `pick` a number it is that rollout of the first group. Otherwise the likeliest scored rollout
    with the wanted verdict: of the first group when a problem was asked for, else of the groups with right and wrong rollouts both,
    where there are any; where none has that verdict, the likeliest of all.

    Raises:
        DataError: the group has no such rollout, it has no verdict, or nothing was scored.
    """
    row, why = _row(experience, request)
    verdict = experience.verdicts[row]
    if not verdict.scored:
        raise DataError(
            f"{why} could not be judged ({verdict.reason or 'no reason given'}), so no rule gives it credit; see that the question and "
            "its gold are what the verifier reads (counterpoise verify), or choose another with --pick"
        )
    return row, why


def _row(experience: Experience, request: Request) -> tuple[int, str]:
    group = experience.batch.group_ids
    own = (group == group[0]).nonzero().flatten().tolist()
    if request.response is not None:
        return 0, "the response you gave"
    if request.pick.isdecimal():
        if int(request.pick) >= len(own):
            raise DataError(
                f"--pick {request.pick}: the group has rollouts 0 to {len(own) - 1}; draw more with --rollouts"
            )
        return own[int(request.pick)], f"rollout {request.pick} of its group"
    correct = experience.batch.correct
    scored = [row for row, verdict in enumerate(experience.verdicts) if verdict.scored]
    if request.problem is not None or request.question is not None:
        pool, where = [row for row in scored if row in set(own)], "its group"
    else:
        mixed = [
            row for row in scored if 0 < int(correct[group == group[row]].sum()) < int((group == group[row]).sum())
        ]
        pool, where = (mixed, "the groups with right and wrong rollouts") if mixed else (scored, "the batch")
    if not pool:
        raise DataError(
            "none of the rollouts could be scored, so there is nothing to explain; see verification.timeout"
        )
    wanted = [row for row in pool if bool(correct[row]) is (request.pick == "right")]

    def log_prob(row: int) -> float:
        return float(experience.batch.rollouts[row].log_probs.sum(dtype="float64"))

    best = max(wanted or pool, key=lambda row: (log_prob(row), -row))
    kind = request.pick if wanted else "(there is no " + request.pick + " one)"
    return best, f"the likeliest {kind} rollout of {where}"
