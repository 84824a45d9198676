"""Prompts of one's own, from the run file to the verdict: a run asks what it was begun with, whatever becomes of the files."""

import json

import pytest

from counterpoise.models.lab_tokenizer import build_lab_tokenizer

LINES = [{"question": f"{a}+1=?", "answer": str(a + 1)} for a in range(12)]


@pytest.fixture
def own_prompt(run_file, jsonl, tmp_path):
    """A run file of two steps whose prompt stands in files beside it; what the prompt of `3+1=?` is."""
    jsonl("mine.jsonl", *LINES)
    jsonl("shots.jsonl", {"question": "1+1", "answer": "boxed 2"})
    (tmp_path / "ask.txt").write_text("Q: {question} in \\boxed{}\nA:")
    file = run_file(
        run={"directory": "runs"},
        tasks={"name": "jsonl", "settings": {"path": "mine.jsonl", "verifier": "exact", "test_fraction": 0.3}},
        prompt={"text": "file:ask.txt", "shots": "shots.jsonl", "response_prefix": "\\boxed{"},
        learner={"steps": 2},
        evaluation={"after": True, "problems": 2, "n": 2},
    )
    return file, "Q: 1+1 in \\boxed{}\nA: boxed 2\n\nQ: 3+1=? in \\boxed{}\nA:\\boxed{"


def stored(directory):
    return [json.loads(line) for line in (directory / "rollouts.jsonl").read_text().splitlines()]


def test_a_run_keeps_the_words_of_its_prompts(command, refused, own_prompt, tmp_path):
    file, _ = own_prompt
    assert (result := command("train", file)).exit_code == 0, result.output
    run = tmp_path / "runs" / "run"
    evaluation = run / "evaluation" / "step-000002"
    manifest = json.loads((evaluation / "manifest.json").read_text())
    assert manifest["template"].startswith("text+shots+response_prefix (")
    # What was judged begins with the prefix, which stood in the prompt.
    assert all(line["text"].startswith("\\boxed{") for line in stored(evaluation))
    verdicts = (evaluation / "passk.json").read_text()

    (tmp_path / "ask.txt").write_text("Something else: {question}")
    (tmp_path / "shots.jsonl").unlink()
    assert (result := command("train", run, "learner.steps=3")).exit_code == 0, result.output
    later = json.loads((run / "evaluation" / "step-000003" / "manifest.json").read_text())
    assert later["template"] == manifest["template"]
    assert command("grade", evaluation).exit_code == 0
    assert json.loads((evaluation / "passk.json").read_text())["estimates"] == json.loads(verdicts)["estimates"]
    assert (result := command("eval", f"{run}", "--n", 4)).exit_code == 0, result.output

    # Other words are another run.
    refused("train", run, "prompt.text=file:ask.txt", says="prompt.text cannot change when a run is continued")
    refused(
        "train", run, "prompt.response_prefix=So", says="prompt.response_prefix cannot change when a run is continued"
    )
    config = run / "config.toml"
    config.write_text(config.read_text().replace("boxed 2", "boxed 3"))
    refused("train", run, "learner.steps=4", says="prompt.shots.0.answer is boxed 3 and was boxed 2")


def test_an_evaluation_with_other_words_is_another_one(command, refused, tiny_policy, jsonl, tmp_path):
    data = jsonl("test.jsonl", *LINES[:2])
    words = tmp_path / "words.txt"
    words.write_text("{question}\n")
    call = ["eval", tiny_policy, "--task", "jsonl", f"tasks.test={data}", "--n", 2, "--out", tmp_path / "e"]
    call += ["rollout.max_tokens=4", "prompt.text=file:words.txt"]
    assert (result := command(*call)).exit_code == 0, result.output
    assert command(*call).exit_code == 0
    words.write_text("Q {question}\n")
    refused(*call, says=f"{tmp_path / 'e'} holds an evaluation of something else", code=1)


def test_the_whole_prompt_is_shown_with_its_tokens(command, own_prompt):
    file, prompt = own_prompt
    result = command(
        "tasks", "show", file, "--rendered", "--split", "train", "-n", 12, "tasks.settings.test_fraction=0.0"
    )
    assert result.exit_code == 0, result.output
    tokens = len(build_lab_tokenizer().encode(prompt))
    assert f"{prompt}\n  {tokens} tokens\n" in result.stdout


def test_settings_of_the_prompt_stand_beside_those_of_the_task(command, refused, jsonl):
    data = jsonl("test.jsonl", {"question": "1+1=?", "answer": 2})
    show = ["tasks", "show", "jsonl", f"test={data}"]
    result = command(*show, "--model", "lab", "prompt.template=plain", 'prompt.response_prefix="So "')
    assert result.exit_code == 0, result.output
    assert "\n1+1=?\nSo \n  9 tokens\n" in result.stdout
    base = command(*show, "--rendered", "--model", "lab")
    assert "put your final answer within \\boxed{}." in base.stdout
    assert "has no chat template: questions are asked as text" in base.stderr
    for wrong, says in {
        "prompt.user={questoin}": "prompt.user: unknown field '{questoin}'; did you mean 'question'?",
        "prompt.usr={question}": "unknown key 'prompt.usr'; did you mean 'user'?",
        "prompt.text=file:no.txt": "prompt.text: cannot read no.txt: No such file or directory",
        "prompt.template=chatt": "unknown prompt.template 'chatt'; did you mean 'chat'?",
    }.items():
        refused(*show, "--model", "lab", wrong, says=says)
    refused(*show, "--model", "labb", says="unknown model 'labb'; did you mean 'lab'?")
    refused(*show, "--rendered", says="a prompt is written for a model: name it with --model")


def test_training_says_that_a_base_model_is_asked_in_text(command, run_file, jsonl):
    data = jsonl("mine.jsonl", *LINES)
    tasks = {"name": "jsonl", "settings": {"path": str(data), "verifier": "exact", "test_fraction": 0.3}}
    result = command(
        "train", run_file(tasks=tasks, learner={"steps": 1}, evaluation={"after": True, "problems": 2, "n": 2})
    )
    assert result.exit_code == 0, result.output
    assert result.output.count("has no chat template: questions are asked as text") == 1
