"""Every example runs, with small settings where it trains; `trl_nsr` where TRL is, in tests/engines/trl."""

import json
from pathlib import Path

import pytest

from counterpoise.models.lab import build_lab_model, save_lab_model
from counterpoise.models.lab_tokenizer import build_lab_tokenizer

EXAMPLES = Path(__file__).parent.parent / "examples"
TESTED = ("train_lab", "credit_by_hand", "custom_rule", "plot_passk", "whole_loop", "trl_nsr")


@pytest.fixture(scope="module")
def run(warm_server):
    """Output of an example, to which warnings are errors."""

    def run(name, *arguments):
        result = warm_server(EXAMPLES / f"{name}.py", *arguments, strict=True).wait()
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def test_no_example_is_left_out():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(TESTED)


def test_credit_by_hand(run):
    out = run("credit_by_hand").splitlines()
    assert out[0] == "plus  [0.1, 0.0, 0.0, 0.0, 0.1, 0.1, 0.0, 0.0]"
    assert out[2].startswith("minus of the fourth row, by token [")
    by_token = [float(value) for value in out[2].split("[")[1].rstrip("]").split(", ")]
    assert len(by_token) == 6 and abs(sum(by_token) - 6) < 0.01  # moved, not made
    assert out[3].startswith("loss ")


def test_the_whole_loop_is_on_one_page_and_runs(run):
    assert len((EXAMPLES / "whole_loop.py").read_text(encoding="utf-8").splitlines()) < 150
    lines = run("whole_loop", "nsr").splitlines()
    assert len(lines) == 3
    for step, line in enumerate(lines, start=1):
        assert line.startswith(f"step {step}: success 0.") and ", pushed up 0% of the credit, trained on " in line
        assert 0 < int(line.split()[-2]) < 128  # NSR trains on wrong answers alone


def test_the_notebook_says_what_its_text_says(capsys):
    """The code cells one after the other in one namespace, as a kernel runs them."""
    book = json.loads((EXAMPLES / "two_signs.ipynb").read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in book["cells"])  # what is printed belongs to whoever runs it
    names = {"__name__": "notebook"}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    *rules, narrow, broad = capsys.readouterr().out.splitlines()
    shares = {line.split()[0]: float(line.split()[-1]) for line in rules}
    # 2 of 8 are right: lambda 0.1 leaves 2 * 0.1 of 6 + 0.2, and a baseline as much up as down.
    assert shares == {"psr": 1.0, "nsr": 0.0, "weighted_reinforce": 0.03, "grpo": 0.5, "maxrl": 0.5}
    assert narrow == "narrow [0.5, 0.5, 0.5, 0.5, 0.5]"
    assert broad.startswith("broad [0.375, ") and broad.endswith(", 1.0]")  # (8 + 4) / 32


def test_custom_rule(run):
    assert "0.25, 0.25, 0.25" in run("custom_rule")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run):
    """What the example that trains printed, and its run."""
    directory = tmp_path_factory.mktemp("runs")
    save_lab_model(build_lab_model(seed=0, hidden_size=32, layers=1), build_lab_tokenizer(), directory / "policy")
    out = run(
        "train_lab",
        f'model.name="{directory / "policy"}"',
        f'run.directory="{directory}"',
        "rollout.prompts_per_step=2",
        "learner.minibatch=2",
        "learner.steps=2",
        "evaluation.problems=2",
        "evaluation.n=2",
    )
    return out, directory / "example"


@pytest.mark.slow
def test_train_lab(trained):
    words = [line.split()[0] for line in trained[0].splitlines()]
    assert words == ["step", "step", "pass@1", "pass@2", "weights:"]


@pytest.mark.slow
def test_plot_passk(trained, tmp_path, run):
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    run("plot_passk", str(trained[1]), "-o", str(tmp_path / "passk.png"))
    assert (tmp_path / "passk.png").stat().st_size > 1000
