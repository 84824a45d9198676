"""Rollouts that a run kept while it trained, as a reader wants them: what was asked, what came, how it was judged and credited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from counterpoise.cli import console
from counterpoise.errors import DataError
from counterpoise.files import JsonFault, json_lines
from counterpoise.text import counted, ends_of

if TYPE_CHECKING:
    from counterpoise.runs.directory import RunDirectory

__all__ = ["sample_lines", "show_samples", "some_of"]

_LONGEST = 2000
_STYLES = {"correct": "green", "wrong": "red"}


def show_samples(run: RunDirectory, step: int | None) -> None:
    """Print the samples of a step, or of the newest step that has any.

    Raises:
        DataError: there is none.
    """
    try:
        found = [line for _, line in json_lines(run.samples) if not isinstance(line, JsonFault)]
    except OSError as error:
        raise DataError(
            f"{run.path} has kept no samples yet ({error.strerror}); they come with the first step that diagnostics.samples_every chooses"
        ) from error
    steps = sorted({line["step"] for line in found if isinstance(line.get("step"), int)})
    at = step if step is not None else steps[-1] if steps else None
    shown = [line for line in found if line.get("step") == at]
    if not shown:
        there = (
            f"{counted(len(steps), 'step')} from {steps[0]} to {steps[-1]} have some"
            if steps
            else "no step has any yet"
        )
        raise DataError(f"{run.path} has no samples of step {at}; {there} (diagnostics.samples_every)")
    for text in sample_lines(shown):
        console.stdout.print(text, soft_wrap=True)


def some_of(samples: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """At most so many samples of a step: a right one, a wrong one, then the others in their order."""
    right = [sample for sample in samples if sample.get("verdict") == "correct"]
    wrong = [sample for sample in samples if sample.get("verdict") == "wrong"]
    first = [*right[:1], *wrong[:1]]
    return [*first, *(sample for sample in samples if all(sample is not one for one in first))][:count]


def sample_lines(samples: Sequence[Mapping[str, Any]], *, longest: int = _LONGEST) -> Iterator[Text]:
    """The lines of samples as they stand in samples.jsonl, texts shortened; what is missing in one is left out."""
    for sample in samples:
        verdict = str(sample.get("verdict"))
        head = f"step {sample.get('step')}, {sample.get('problem_id')}: "
        facts = [f"reward {sample.get('reward')}", f"credit +{_sum(sample, 'plus')} -{_sum(sample, 'minus')}"]
        facts += (
            [f"answer {ends_of(str(sample['answer']), longest // 2, longest // 2)!r}"]
            if sample.get("answer") is not None
            else []
        )
        facts.append(f"ended by {sample.get('stop_reason')}")
        yield Text.assemble(
            (head, "bold"), (verdict.replace("_", " "), _STYLES.get(verdict, "yellow")), f" ({', '.join(facts)})"
        )
        for name, key in (("question", "question"), ("gold", "gold"), ("response", "text")):
            text = ends_of(str(sample.get(key, "")), longest // 2, longest // 2)
            for line in text.split("\n") if text else [""]:
                yield Text.assemble((f"  {name:9}", "dim"), line)
                name = ""
        yield Text("")


def _sum(sample: Mapping[str, Any], sign: str) -> str:
    value = sample.get(sign)
    numbers = value if isinstance(value, list) else [value]
    return format(sum(one for one in numbers if isinstance(one, (int, float))), ".3f")
