"""A run file in TRL's trainer: data, rewards and `SignedGRPOTrainer` of it, in each process of `counterpoise launch trl`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from counterpoise.build.judge import judge_of
from counterpoise.build.problems import problems_of
from counterpoise.config import LoraConfig, RunConfig
from counterpoise.engines.trl.rewards import completion_text, worth
from counterpoise.errors import MissingExtraError, UsageError
from counterpoise.files import JsonFault, parse_json, read_text, why
from counterpoise.launch.plan import engine_model
from counterpoise.launch.prompts import engine_texts, fitting_prompts
from counterpoise.models.load import load_tokenizer
from counterpoise.processes import use_threads
from counterpoise.runfile import load_config
from counterpoise.runs.engine_checkpoints import newest_of_trl
from counterpoise.types import Prompt
from counterpoise.verifiers.judge import Judge

__all__ = ["credit_table", "reward_of_prompts", "train_launched", "trl_arguments"]

_PLACE: Final = "problem"
"""Column with the number of a row's problem."""
_NUMBERS: Final = frozenset({"int", "float", "bool", "None", "NoneType", "Optional", "Union", "typing"})
"""Words of an annotation that takes a number or a truth value and nothing else."""
_KIND: Final = "task_type"
"""Column with its kind of task."""


def train_launched(run: Path, arguments: Path) -> None:
    """Train as a run file says, from the newest checkpoint where there is one.

    Args:
        run: the run file.
        arguments: JSON with the arguments of `GRPOConfig` that `counterpoise launch` made of it.

    Raises:
        CounterpoiseError: something of it cannot be.
    """
    config, given = load_config(run), _read_arguments(arguments)
    use_threads(config.run.threads)
    from datasets import Dataset
    from trl import GRPOConfig

    from counterpoise.engines.trl.trainer import SignedGRPOTrainer

    args = trl_arguments(GRPOConfig, given)
    problems = problems_of(config, evaluates=False)
    # No run file says so, whose trust was typed: the arguments do.
    trusted = bool((args.model_init_kwargs or {}).get("trust_remote_code", False))
    tokenizer = load_tokenizer(config.model.name, revision=config.model.revision, trust_remote_code=trusted)
    prompts = fitting_prompts(
        config,
        problems.train,
        tokenizer,
        template=problems.template,
        side="training",
        say=lambda line: print(line, flush=True),
    )
    texts = engine_texts(prompts, tokenizer, special=True)
    rows = Dataset.from_list(
        [
            {"prompt": text, _PLACE: place, _KIND: prompt.problem.task_type}
            for place, (prompt, text) in enumerate(zip(prompts, texts, strict=True))
        ]
    )
    with judge_of(config.verification) as judge:
        trainer = SignedGRPOTrainer(
            engine_model(config.model.name, engine="TRL"),
            reward_of_prompts(prompts, judge, longest=config.rollout.max_tokens, ends=_ends(tokenizer)),
            args,
            train_dataset=rows,
            processing_class=tokenizer,
            peft_config=_adapters(config.model.lora),
            credit=credit_table(config),
            denominator=config.loss.denominator,
            task_column=_KIND,
        )
        newest = newest_of_trl(config.path)
        step = newest.step
        if newest.passed_over:
            print(newest.passed_over, flush=True)
        if step is not None:
            print(f"goes on after update {step}, from the newest checkpoint", flush=True)
        trainer.train(resume_from_checkpoint=None if step is None else str(config.path / f"checkpoint-{step}"))
        trainer.save_model(str(config.path / "final"))


def _read_arguments(path: Path) -> Mapping[str, Any]:
    try:
        given = parse_json(read_text(path))
        if not isinstance(given, dict):
            raise JsonFault(f"a JSON {type(given).__name__}, not an object")
        return given
    except (OSError, JsonFault) as error:
        raise UsageError(
            f"cannot read the arguments of GRPOConfig in {path}: {why(error)}; counterpoise launch trl writes them beside launch.toml"
        ) from error


def credit_table(config: RunConfig) -> dict[str, Any]:
    """The table `[credit]` as the trainer takes it."""
    table: dict[str, Any] = config.credit.model_dump(mode="json", exclude_unset=True)
    return {"rule": config.credit.rule, **table}


def reward_of_prompts(
    prompts: Sequence[Prompt], judge: Judge, *, longest: int, ends: frozenset[int]
) -> Callable[..., list[float | None]]:
    """A reward function that judges each completion by its problem: 1 right, 0 wrong, None unscored.

    Args:
        prompts: of the data set, by their number.
        judge: judges.
        longest: tokens of a completion at most.
        ends: ids that end a completion; one of `longest` tokens without such an end was cut off.
    """

    def verdicts(
        completions: Sequence[Any], completion_ids: Sequence[Sequence[int]], **columns: Any
    ) -> list[float | None]:
        ours = [prompts[place] for place in columns[_PLACE]]
        texts = [prompt.prefix + completion_text(one) for prompt, one in zip(ours, completions, strict=True)]
        cut = [len(ids) >= longest and ids[-1] not in ends for ids in completion_ids]
        return [worth(verdict) for verdict in judge.verify([prompt.problem for prompt in ours], texts, cut)]

    return verdicts


def trl_arguments(kind: Any, given: Mapping[str, Any]) -> Any:
    """TRL's arguments, which take whatever they are given: text for a number ends a run much later.

    Raises:
        UsageError: one of them cannot be.
    """
    types = {one.name: one.type.__name__ if isinstance(one.type, type) else str(one.type) for one in fields(kind)}
    for name, value in given.items():
        if name not in types:
            raise UsageError(f"TRL's {kind.__name__} has no argument {name}; check those given with --engine")
        if isinstance(value, (str, list, dict)) and set(re.findall(r"\w+", types[name])) <= _NUMBERS:
            raise UsageError(f"{name}={value!r}: TRL takes {types[name]}; check what is given with --engine")
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise UsageError(f"TRL does not take these arguments: {said}; check those given with --engine") from error


def _ends(tokenizer: Any) -> frozenset[int]:
    return frozenset(one for one in (tokenizer.eos_token_id, tokenizer.pad_token_id) if one is not None)


def _adapters(lora: LoraConfig) -> Any:
    if not lora.rank:
        return None
    try:
        from peft import LoraConfig as Adapters
    except ModuleNotFoundError as error:
        raise MissingExtraError("peft", extra="lora", purpose="model.lora.rank") from error
    settings: Mapping[str, Any] = {
        "r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, "target_modules": lora.target_modules,
        "task_type": "CAUSAL_LM",
    }  # fmt: skip
    return Adapters(**settings)
