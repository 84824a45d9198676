"""The identity of a run: the settings that cannot change and the problems of both sides, kept beside its weights.

A resumed run is compared with it, so that an edited or damaged configuration, or a file of problems that has changed, never trains another
run under the old name.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from counterpoise.config import RunConfig
from counterpoise.config.parts import portable_parts
from counterpoise.config.paths import is_path_key
from counterpoise.errors import ConfigError, DataError
from counterpoise.files import parse_json, read_text
from counterpoise.models.gguf.header import file_sha256, is_gguf
from counterpoise.runfile import dump_config, quoted, settled
from counterpoise.settings import setting_value
from counterpoise.text import counted
from counterpoise.types import Problem

__all__ = [
    "PLACE",
    "RESUMABLE",
    "TRACKING_ID",
    "Identity",
    "Side",
    "changed_settings",
    "differing",
    "flat",
    "identity_of",
    "pinned",
    "refuse_differing",
    "same_base",
    "same_problems",
    "side_of",
    "told_changes",
    "with_file",
]

# A resumed run may do more of the same or store it differently; anything else would be another run under the old name.
RESUMABLE = (
    "model.attn_implementation",
    "model.trust_remote_code",
    "learner.steps",
    "learner.tokens_per_microbatch",
    "learner.chunk_tokens",
    "learner.share_prompts",
    "learner.products",
    "learner.compiled",
    "rollout.max_rows",
    "rollout.flat_decode",
    "rollout.compiled_decode",
    "rollout.overlap",
    "rollout.max_gap",
    "rollout.gpu_share",
    "verification.timeout",
    "verification.workers",
    "verification.max_unscored",
    "diagnostics.",
    "checkpoint.",
    "evaluation.",
    "tracking.",
)

# Where the run was begun: no part of what it is, and nothing to give on resume, since it stays in the directory that it is in.
TRACKING_ID = "tracking_id"
"""File with the name under which trackers know a run that is continued."""

PLACE = ("run.directory", "run.name")

_NOT_SET = "not set"
_SHOWN = 8
"""Settings that one message names."""
_TOLD = 3
"""The same where the way back stands behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Fingerprint of the problems of one side, in the order of their ids."""

    count: int
    """How many."""
    ids: str
    """SHA-256 of their ids: which problems."""
    content: str
    """SHA-256 of what is asked and how it is judged: the same problems with other golds differ here alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a run was begun with."""

    config: Mapping[str, Any]
    """Settings that cannot change, by dotted name."""
    problems: Mapping[str, Side] = field(default_factory=dict)
    """By side, `train` and `test`; a side that was never read is absent."""
    base: str | None = None
    """Fingerprint of the weights that are read again whenever the run goes on (`models.frozen`); None where none are."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the code of each part that is not ours, by kind and name (`config.parts.sources_in`)."""
    file: str | None = None
    """SHA-256 of the file that `model.name` is, where it is one (GGUF)."""

    @property
    def sha256(self) -> str:
        """Of all of it."""
        return hashlib.sha256(json.dumps(self._plain(), sort_keys=True).encode()).hexdigest()

    def to_text(self) -> str:
        """As it stands in `identity.json`."""
        return json.dumps({"sha256": self.sha256, **self._plain()}, indent=1)

    def _plain(self) -> dict[str, Any]:
        problems = {name: asdict(side) for name, side in self.problems.items()}
        base = {} if self.base is None else {"base": self.base}
        parts = {"parts": dict(self.parts)} if self.parts else {}
        file = {} if self.file is None else {"file": self.file}
        return {"config": dict(self.config), "problems": problems, **base, **parts, **file}

    @classmethod
    def read(cls, path: Path) -> Identity | None:
        """What a file holds; None where there is none, or where it is damaged."""
        try:
            if not path.is_file():
                return None
            data = parse_json(read_text(path), large_integers=True)  # a setting may be infinite
            problems = {name: Side(**side) for name, side in data["problems"].items() if name in ("train", "test")}
            found = cls(
                config=dict(data["config"]),
                problems=problems,
                base=data.get("base"),
                parts=dict(data.get("parts", {})),
                file=data.get("file"),
            )
            whole = found.sha256 == data["sha256"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return found if whole else None


def identity_of(config: RunConfig, problems: Mapping[str, Side] | None = None) -> Identity:
    """The identity of a run with this configuration."""
    fixed = {key: value for key, value in _portable(config).items() if not _resumable(key)}
    return Identity(config=fixed, problems=problems or {})


def with_file(identity: Identity, config: RunConfig, *, where: Path) -> Identity:
    """The identity with the hash of the file that the model is, compared with the one that the run was begun with.

    Raises:
        ConfigError: the file is another one now.
    """
    path = Path(config.model.name).expanduser()
    if not is_gguf(path) or not path.is_file():
        return identity
    now = file_sha256(path)
    if identity.file is None:
        return replace(identity, file=now)
    if identity.file != now:
        raise ConfigError(
            f"{where}: {path} is not the file that the run was begun with (SHA-256 {now[:12]}… and was {identity.file[:12]}…); put that "
            "file back, or start a new run"
        )
    return identity


def side_of(problems: Sequence[Problem]) -> Side:
    """Fingerprint of these problems, whatever order they come in."""
    ids, content = hashlib.sha256(), hashlib.sha256()
    for problem in sorted(problems, key=lambda problem: problem.problem_id):
        parts = (problem.task_type, problem.question, problem.gold, problem.verifier, problem.template)
        record = [dict(problem.record)] if problem.record else []
        ids.update(f"{problem.problem_id}\n".encode())
        # JSON, so that the parts cannot run into one another, and a lone surrogate is an escape.
        content.update(json.dumps([problem.problem_id, *parts, *record], sort_keys=True, default=str).encode())
    return Side(count=len(problems), ids=ids.hexdigest(), content=content.hexdigest())


def differing(before: Identity, config: RunConfig) -> list[tuple[str, Any, Any]]:
    """(key, value then, value now) of every setting that differs and must not.

    Paths may differ, because the problems behind them are compared themselves. A model that was a directory may be another directory once
    the first is gone. Guards that only watch change nothing that is trained. A key that an older version did not know had its default.
    """
    defaults, now = flat(RunConfig()), identity_of(config).config
    watching = not config.guards.act and not before.config.get("guards.act", False)
    changed = []
    for key in sorted(before.config.keys() | now.keys()):
        if watching and key.startswith("guards."):
            continue
        if _resumable(key) or (is_path_key(key) and key != "model.name"):
            continue
        old, new = (values.get(key, defaults.get(key, _NOT_SET)) for values in (before.config, now))
        if old != new and not (key == "model.name" and _moved(str(old), str(new))):
            changed.append((key, old, new))
    return changed


def changed_settings(there: RunConfig, asked: RunConfig, *, besides: Sequence[str]) -> list[tuple[str, Any, Any]]:
    """(key, value there, value asked for) of every setting in which two runs differ, wherever they are read from.

    Args:
        there: of a run.
        asked: of what is to go on with it.
        besides: settings that are not compared.

    Raises:
        ConfigError: a file of `[prompt]` cannot be read.
    """
    theirs, ours = (flat(settled(config)) for config in (there, asked))
    return [
        (key, theirs.get(key, _NOT_SET), ours.get(key, _NOT_SET))
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key) != ours.get(key) and key not in besides
    ]


def told_changes(changed: Sequence[tuple[str, Any, Any]]) -> str:
    """The first of them as `learner.steps 3 -> 4`, and how many more there are."""
    more = f" and {len(changed) - _TOLD} more" if len(changed) > _TOLD else ""
    return ", ".join(f"{key} {_word(old)} -> {_word(new)}" for key, old, new in changed[:_TOLD]) + more


def pinned(changed: Sequence[tuple[str, Any, Any]]) -> str:
    """What to set for the values that a run was begun with, e.g. those that were the default then: `learner.products=torch`."""
    unset = [key for key, old, _ in changed if old == _NOT_SET]
    given = [_override(key, old) for key, old, _ in changed if key not in unset]
    ways = ([f"set {' '.join(given)}"] if given else []) + ([f"leave out {', '.join(unset)}"] if unset else [])
    return " and ".join(ways)


def refuse_differing(before: Identity, config: RunConfig, *, where: Path, copy: Path | None) -> None:
    """Compare a configuration with the one that the run was trained with.

    Args:
        before: what the run is.
        config: as it is now.
        where: the file it was read from.
        copy: an intact copy of that file, where there is one.

    Raises:
        ConfigError: naming the settings, both values, and the way out.
    """
    changed = differing(before, config)
    if not changed:
        return
    listed = [f"{key} is {_word(new)} and was {_word(old)}" for key, old, new in changed[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    restore = f" (a copy of the file stands in {copy})" if copy else ""
    raise ConfigError(
        f"{where} is not the configuration that this run was trained with: {', '.join(listed)}{more}. Put the old values back{restore}, "
        "or start a new run with the new ones from a run file"
    )


def same_problems(before: Identity, now: Mapping[str, Side], *, where: Path, also: Sequence[str] = ()) -> None:
    """Compare the problems of both sides with those the run was begun with; a side that either does not know is not compared.

    Args:
        before: what the run is.
        now: sides that were read.
        where: the run's directory.
        also: further ways out, as sentences.

    Raises:
        DataError: naming the sides, with both counts.
    """
    changed = []
    for name in ("train", "test"):
        old, new = before.problems.get(name), now.get(name)
        if old is None or new is None or old == new:
            continue
        if old.ids == new.ids:
            changed.append(
                f"the {name} side has the same {counted(old.count, 'problem')} with other questions, golds or verifiers"
            )
        else:
            changed.append(
                f"the {name} side had {counted(old.count, 'problem')} and has {new.count}, not the same ones"
            )
    if changed:
        ways = ["Put the data back as it was", *also, "or start a new run"]
        raise DataError(
            f"{where}: the problems have changed since the run was begun: {'; '.join(changed)}. {', '.join(ways)}"
        )


def same_base(before: Identity, base: str | None, *, where: Path) -> Identity:
    """Compare the weights that are read again with those the run was begun with, and take them down where they were not.

    Args:
        before: what the run is.
        base: fingerprint of those weights; None where none are read again.
        where: the run's directory.

    Raises:
        ConfigError: they are others.
    """
    if base is None or base == before.base:
        return before
    if before.base is None:
        return replace(before, base=base)
    name = before.config.get("model.name", "model.name")
    raise ConfigError(
        f"{where}: the weights of {name} are not those that the run was begun with, and it goes on reading them, under its adapters or as "
        "the reference of its KL. Put them back, or start a new run"
    )


def flat(config: RunConfig) -> dict[str, Any]:
    """Every setting by its dotted name, as the run file's own text has it; tables in a list are numbered."""
    return dict(_flat(tomllib.loads(dump_config(config)), ""))


def _portable(config: RunConfig) -> dict[str, Any]:
    """`flat`, where parts are named without the folders of their files."""
    tables = tomllib.loads(dump_config(config))
    portable_parts(tables)
    return dict(_flat(tables, ""))


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    tables = isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value)
    if isinstance(value, Mapping) or tables:
        entries = enumerate(value) if tables else value.items()
        for key, inner in entries:
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, (bool, int, float, str, list)) else str(value)


def _resumable(key: str) -> bool:
    return key in PLACE or any(key == name or (name.endswith(".") and key.startswith(name)) for name in RESUMABLE)


def _moved(old: str, new: str) -> bool:
    return os.path.isabs(old) and not os.path.exists(old) and os.path.isabs(new) and os.path.exists(new)


def _override(key: str, value: Any) -> str:
    """What sets `key` to a value on a command line."""
    plain = not isinstance(value, str) or (value.isprintable() and " " not in value and setting_value(value) == value)
    return f"{key}={_word(value)}" if plain else quoted(key, value)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
