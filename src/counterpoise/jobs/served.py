"""pass@k of a model that OpenAI-compatible servers have: asked, kept as it answers, judged; imported without torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from counterpoise.build.evaluation import OnCount, Say, first_problems, keep_given, manifest_of, say_damages, unsaid
from counterpoise.build.judge import judge_of
from counterpoise.build.problems import check_verifiers, task_and_template
from counterpoise.config import RunConfig
from counterpoise.endpoint import Failure
from counterpoise.errors import ConfigError, ModelError, ServerError
from counterpoise.evaluation.run import check_asked, conclude
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore, StoredRollout
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.evaluation.sweep import Swept
from counterpoise.files import atomic_write_text, read_json
from counterpoise.jobs.sweep import ProgressOf, SweptSetting, sweep
from counterpoise.prompts import Wording
from counterpoise.prompts.templates import ChatTemplate, Message, TextTemplate
from counterpoise.rollouts.served.dialect import Ask
from counterpoise.rollouts.served.lane import ServedDraw
from counterpoise.rollouts.served.sampler import ServedSampler
from counterpoise.rollouts.served.server import Server
from counterpoise.rollouts.served.servers import check_addresses, found_servers
from counterpoise.rollouts.served.words import words
from counterpoise.text import counted
from counterpoise.thought import TAGS, opens_thought
from counterpoise.types import MESSAGES, Problem, StopReason
from counterpoise.verifiers.equivalence import equivalent_answers

__all__ = ["evaluate_served", "named_servers", "sweep_served"]

_FILE = "server.json"
_ALIKE = 4
"""Problems, and draws of each, that are all the same before it is called odd."""
_UNKNOWN = frozenset((400, 404, 422, 500))
"""With which servers answer for a model that they do not have."""
_OPENING = tuple(opening for opening, _ in TAGS)
_CLOSING = tuple(closing for _, closing in TAGS)


def named_servers(servers: Sequence[Server], say: Say = unsaid) -> list[Server]:
    """The servers with the name of a model: the only one that they list, where none was given; those that do not answer are left out then.

    Raises:
        UsageError: an address is given twice.
        ServerError: nobody answers there.
        ModelError: one lists none or several, or they have different models.
    """
    check_addresses(servers)
    if all(server.model for server in servers):
        return list(servers)
    found, _ = found_servers(servers, say)
    say(f"the server lists one model: {found[0].model}")
    return found


def evaluate_served(
    config: RunConfig,
    server: Server | Sequence[Server],
    *,
    directory: Path,
    on_progress: OnCount | None = None,
    say: Say = unsaid,
) -> EvaluationResult:
    """Evaluate the served model on the test split of `config.tasks` as `config.evaluation` says.

    Every response is in the store before its request counts as done. Of what the store has nothing is asked again, and when it has all the
    server is not asked at all. Several servers share the requests; one that fails is left out, and the others go on.

    Args:
        config: what to evaluate, and how; of `[model]` nothing is read.
        server: who draws: one, or several that have the same model.
        directory: the store; begun with the first response.
        on_progress: called with (drawn, of all).
        say: gets a line for where prompts go, for what a server does not take, for what is odd, for each server that is left out, and for
            each damage.

    Raises:
        DataError, ConfigError, UnknownNameError: the task cannot be loaded, or a setting needs the model's tokenizer.
        UsageError: an address is given twice.
        ModelError: the server has no such model, or several have different ones.
        ServerError: it does not answer, or not as it should; what it answered before is kept.
        StoreError: the directory holds another evaluation, or the disk is full.
    """
    if config.prompt.max_tokens is not None or config.prompt.too_long != "refuse":
        raise ConfigError(
            "prompt.max_tokens and prompt.too_long count tokens, and a served model's tokenizer is with the server, which refuses prompts "
            "that are too long for it; leave them away"
        )
    task, template = task_and_template(config)
    problems = first_problems(task.problems("test"), config.evaluation.problems)
    check_verifiers(problems, config.verification.settings)
    wanted = config.evaluation
    servers = named_servers([server] if isinstance(server, Server) else server, say)
    manifest = manifest_of(config, template, 0, served=servers[0].model)
    check_asked(problems, n=wanted.n, settings=manifest.settings, ks=wanted.ks)
    asks = {problem.problem_id: _ask_of(problem, template) for problem in problems}
    kept = _Kept(directory, manifest, config, asks, on_progress, say)
    missing = kept.missing()
    if missing:
        for one in servers:
            say(one.endpoint.announcement("prompts"))
        servers, listed = found_servers(servers, say)
        sampler = ServedSampler(servers, manifest.settings, seed=config.run.seed, say=say)
        try:
            sampler.draw([(asks[name], samples) for name, samples in missing.items()], kept.receive)
        finally:
            kept.write_servers(sampler)
            kept.remark()
        if sampler.failed:
            raise _error(servers, listed, sampler, kept)
    store = kept.store
    assert store is not None, "nothing is missing and nothing is stored"
    try:
        with judge_of(config.verification) as judge:
            return conclude(
                store=store,
                problems=problems,
                verify=judge.verify,
                n=wanted.n,
                equivalent=partial(equivalent_answers, judge),
                ks=wanted.ks,
                confidence=wanted.confidence,
            )
    finally:
        say_damages(store, say)


def sweep_served(
    arms: Sequence[SweptSetting],
    servers: Sequence[Server],
    *,
    on_progress: ProgressOf | None = None,
    say: Say = unsaid,
) -> list[Swept]:
    """`evaluate_served` at each setting, for what its store lacks, and the results as `sweep`."""

    def evaluate(arm: SweptSetting, directory: Path) -> tuple[EvaluationResult, bool]:
        before = _drawn(directory)
        progress = None if on_progress is None else on_progress(arm)
        result = evaluate_served(arm.config, servers, directory=directory, on_progress=progress, say=say)
        return result, _drawn(directory) == before

    return sweep(arms, evaluate)


class _Kept:
    """The store of an evaluation, begun with the first response: a server that never answers leaves nothing behind."""

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        config: RunConfig,
        asks: Mapping[str, Ask],
        on_progress: OnCount | None,
        say: Say,
    ) -> None:
        self.directory, self._manifest, self._config, self._asks = directory, manifest, config, asks
        self._on_progress, self._say = on_progress, say
        self.total = len(asks) * config.evaluation.n
        self.done = 0
        begun = any((directory / name).exists() for name in ("manifest.json", "rollouts.jsonl"))
        self.store = RolloutStore(directory, manifest) if begun else None
        self._texts: dict[str, tuple[int, set[int]]] = {}
        self._closed = self._cut = 0

    def missing(self) -> dict[str, list[int]]:
        """What is not stored, by problem."""
        n = self._config.evaluation.n
        all_of = {name: list(range(n)) for name in self._asks}
        missing = all_of if self.store is None else self.store.missing(list(self._asks), n)
        self.done = self.total - sum(map(len, missing.values()))
        if missing and self._on_progress is not None:
            self._on_progress(self.done, self.total)
        return missing

    def receive(self, draws: Sequence[ServedDraw]) -> None:
        if self.store is None:
            self.store = RolloutStore(self.directory, self._manifest)
            keep_given(self.directory, self._config)
        self.done += self.store.append([self._stored(draw) for draw in draws])
        for draw in draws:
            if not any(tag in draw.drawn.text for tag in _OPENING):
                self._closed += any(tag in draw.drawn.text for tag in _CLOSING)
                self._cut += draw.drawn.stop_reason is StopReason.LENGTH
            count, texts = self._texts.setdefault(draw.problem_id, (0, set()))
            if len(texts) < 2:
                texts.add(hash(draw.drawn.text))
            self._texts[draw.problem_id] = count + 1, texts
        if self._on_progress is not None:
            self._on_progress(self.done, self.total)

    def _stored(self, draw: ServedDraw) -> StoredRollout:
        ask, drawn = self._asks[draw.problem_id], draw.drawn
        return StoredRollout(
            problem_id=draw.problem_id,
            sample=draw.sample,
            seed=draw.seed,
            text=ask.prefix + drawn.text,
            tokens=drawn.tokens,
            stop_reason=drawn.stop_reason,
            mean_log_prob=drawn.mean_log_prob,
            in_thought=ask.messages is None and opens_thought(ask.text),
        )

    def remark(self) -> None:
        """Say when a server seems to draw nothing (it decodes greedily, or answers from a cache), or thoughts cannot be recognised."""
        if self._closed and self._cut and all(ask.messages is not None for ask in self._asks.values()):
            self._say(
                f"{counted(self._closed, 'response')} close a thought that the server's chat format opened, and {self._cut:,} were cut "
                "off, perhaps inside one: these are judged as they stand; raise evaluation.max_tokens, or let the server give thoughts "
                "apart"
            )
        several = [texts for count, texts in self._texts.values() if count >= _ALIKE]
        if self._manifest.settings.temperature > 0 and len(several) >= _ALIKE and all(len(t) == 1 for t in several):
            self._say(
                f"all responses to the same problem are the same, for each of {counted(len(several), 'problem')}: the server decodes "
                "greedily or answers from a cache, whatever temperature it is asked for; pass@k is then pass@1"
            )

    def write_servers(self, sampler: ServedSampler) -> None:
        """Who drew, beside the manifest: addresses, and what of the requests was refused. For people; nothing reads it but this."""
        if not self._texts:  # nobody drew anything
            return
        path = self.directory / _FILE
        try:
            before = read_json(path)
        except (OSError, ValueError):
            before = {}
        urls = [lane.server.url for lane in sampler.lanes if lane.answered]
        found = {"urls": urls, "answered_as": sampler.answered_as, "refused": sampler.refused}
        others = _texts_of(before.get("urls"))
        if others and not {*others} & {*urls}:
            self._say(f"other rollouts here came from {', '.join(others)}: the same name is taken for the same model")
        merged = {name: sorted({*_texts_of(before.get(name)), *values}) for name, values in found.items()}
        if merged != before:
            atomic_write_text(path, json.dumps(merged, indent=2, ensure_ascii=False) + "\n")


def _drawn(directory: Path) -> int:
    """Bytes of what was drawn."""
    path = directory / "rollouts.jsonl"
    return path.stat().st_size if path.is_file() else 0


def _texts_of(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _ask_of(problem: Problem, wording: Wording) -> Ask:
    """What the server gets: chat templates as messages, which it puts into the model's own format; others as the text they are."""
    chosen = wording.of(wording.name_for(problem))
    before: Sequence[Message] = problem.meta.get(MESSAGES, ())
    if isinstance(chosen, ChatTemplate):
        if wording.response_prefix:
            raise ConfigError(
                "prompt.response_prefix ends a text, and a chat is put into its format by the server, which ends it; use a text: "
                "prompt.template=plain, step_by_step or prompt.text"
            )
        messages = tuple(chosen.talk(problem.question, before))
        return Ask(problem_id=problem.problem_id, messages=messages, arguments=chosen.arguments)
    assert isinstance(chosen, TextTemplate)
    return Ask(
        problem_id=problem.problem_id,
        messages=None,
        text=chosen.whole(problem.question, before),
        prefix=wording.response_prefix,
        special_tokens=chosen.add_special_tokens,
    )


def _error(
    servers: Sequence[Server], listed: Collection[str], sampler: ServedSampler, kept: _Kept
) -> ServerError | ModelError:
    """Why draws are lacking, in one line."""
    failures = list(sampler.failed.values())
    first, server = failures[0], servers[0]
    if not kept.done and listed and server.model not in listed and first.status in _UNKNOWN:
        return server.unlisted_model(first, listed)
    times = Counter(words(failure) for failure in failures)
    reason, most = times.most_common(1)[0]
    where = ", ".join(one.url for one in servers)
    lacking = f" for {counted(most, 'problem')}" if kept.done else ""
    others = f" (and {counted(len(failures) - most, 'other failure')})" if len(failures) > most else ""
    advice = _advice(server, sampler, next(failure for failure in failures if words(failure) == reason))
    if not kept.done:
        return ServerError(f"{where}: {reason}{others}; nothing was drawn{advice}")
    return ServerError(
        f"{where}: {reason}{lacking}{others}; {kept.done:,} of {counted(kept.total, 'rollout')} are in {kept.directory}{advice}; the "
        f"same command goes on from there, and counterpoise grade {kept.directory} judges what there is"
    )


def _advice(server: Server, sampler: ServedSampler, failure: Failure) -> str:
    """What to do about it, where that is known."""
    if failure.status in (401, 403):
        return f"; the key is read from the environment variable {server.key_variable}: --key-variable names another"
    if failure.status == 429:
        return "; ask for less at a time with --concurrency"
    if failure.status in (404, 405):
        base = "" if server.url.rstrip("/").endswith("/v1") else "; a base address mostly ends in /v1"
        if sampler.paths == {"/completions"}:
            return f"{base}; the template goes on with a text (/completions): prompt.template=chat asks for a chat"
        return base
    if failure.reason.startswith("timeout"):
        return "; give it longer with --timeout, or ask for less at a time with --per-request and --concurrency"
    return ""
