import pytest

from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore, StoredRollout
from counterpoise.types import SamplingSettings, StopReason


@pytest.fixture
def made(jsonl, tmp_path):
    """A store with draws of the one problem of test.jsonl."""
    from counterpoise.tasks.registry import make_task

    [problem] = make_task("jsonl", test=str(jsonl("test.jsonl", {"question": "1+1", "answer": "2"}))).problems("test")

    def make(name, *answers, seed, temperature=1.0):
        settings = SamplingSettings(temperature=temperature, top_p=1.0, max_tokens=8)
        store = RolloutStore(
            tmp_path / name, Manifest(model="m", task="jsonl:test", template="chat", settings=settings, seed=seed)
        )
        store.append(
            [
                StoredRollout(
                    problem_id=problem.problem_id,
                    sample=i,
                    seed=seed,
                    text=rf"\boxed{{{answer}}}",
                    tokens=3,
                    stop_reason=StopReason.EOS,
                )
                for i, answer in enumerate(answers)
            ]
        )
        return store.directory

    return make


def said(result):
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def test_two_machines_are_merged_and_graded(command, made):
    made("a", 2, 3, seed=1), made("b", 3, 3, seed=2)
    text = said(command("merge", "all", "a", "b"))
    assert "source added there already damaged lines" in text
    assert "a 2 0 0 b 2 0 0" in text
    assert text.endswith("grade them with: counterpoise grade all")
    assert "a 0 2 0 b 0 2 0" in said(command("merge", "all", "a", "b"))
    text = said(command("grade", "all", "tasks.test=test.jsonl", "--verifier", "numeric"))
    # One of four is right: pass@1 = 1/4, pass@2 = 1 - 3/4 * 2/3 = 1/2.
    assert "25.0" in text and "50.0" in text


def test_a_damaged_line_is_named(command, made):
    made("a", 2, seed=1)
    with open("a/rollouts.jsonl", "a") as handle:
        handle.write("{torn\n")
    result = command("merge", "all", "a")
    assert "a 1 0 1" in said(result)
    assert "a/rollouts.jsonl:2: not JSON" in result.stderr


def test_what_does_not_belong_together_is_refused(refused, made):
    made("a", 2, seed=1), made("hot", 2, seed=1, temperature=0.5)
    says = "cannot merge hot: only the seed may differ, but settings.temperature is 1.0 in a and 0.5 in hot"
    refused("merge", "all", "a", "hot", says=says, code=1)
    refused("merge", "a", "a", says="a is the target and a source at once")
    refused("merge", "all", "nowhere", says="nowhere holds no rollout store", code=1)
