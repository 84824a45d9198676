"""Metrics of TRL and verl as they write them, read under our names."""

import json
import math

import pytest

from counterpoise.errors import StoreError
from counterpoise.report.build import build_report
from counterpoise.report.cards import make_cards
from counterpoise.report.collect import read_runs
from counterpoise.report.page import render_page
from counterpoise.runs.engine_logs import engine_lines, find_engine_log
from counterpoise.runs.following import FollowedRun


def trl(directory, history, step=2):
    """What TRL leaves at a checkpoint."""
    path = directory / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step, "log_history": history}))
    return path


def logged(step, **more):
    """An entry as TRL 1.16 writes it, with the columns of our adapter."""
    return {
        "step": step, "reward": 0.5, "credit/success_rate": 0.25, "credit/minus": 0.4, "entropy": 0.3, "loss": 1e-8, "grad_norm": 0.9,
        "learning_rate": 3e-5, "completions/mean_length": 6.5, "completions/clipped_ratio": 0.125, "clip_ratio/low_mean": 0.01,
        "step_time": 2.0, "epoch": 0.06 * step, "credit/controller_rho/sums": 0.5,
    } | more  # fmt: skip


def read(path):
    damages = []
    lines = dict(engine_lines(find_engine_log(path), on_damage=damages.append))
    return lines, [str(damage) for damage in damages]


def test_trl_by_our_names(tmp_path):
    trl(tmp_path / "out", [logged(1), logged(2)])
    lines, damages = read(tmp_path / "out")
    assert damages == [] and list(lines) == [1, 2]
    assert lines[2] == {
        "reward": 0.5, "success_rate": 0.25, "minus": 0.4, "entropy": 0.3, "loss": 1e-8, "gradient_norm": 0.9, "learning_rate": 3e-5,
        "response_tokens": 6.5, "truncated_share": 0.125, "clip_ratio.low_mean": 0.01, "seconds": 2.0, "epochs": 0.12,
        "controller_rho/sums": 0.5,
    }  # fmt: skip


def test_the_newest_checkpoint_counts_and_each_way_to_name_it(tmp_path):
    trl(tmp_path / "out", [logged(1)], step=9)
    newest = trl(tmp_path / "out", [logged(1), logged(2)], step=10)
    for path in (tmp_path / "out", newest, newest / "trainer_state.json"):
        found = find_engine_log(path)
        assert (found.engine, found.path, found.name) == ("TRL", newest / "trainer_state.json", "out")


def test_entries_of_one_step_are_one_and_what_is_no_number_is_left_out(tmp_path):
    history = [
        logged(2, kl=math.nan, text="x", flag=True),
        {"step": 2, "eval_loss": 1.5},
        {"epoch": 1.0},
        {"step": 0},
        "torn",
    ]
    lines, damages = read(trl(tmp_path, history))
    assert list(lines) == [2] and lines[2]["eval_loss"] == 1.5
    assert not {"kl", "kl_reference", "text", "flag"} & lines[2].keys()
    assert len(damages) == 2 and "trainer_state.json:3: an entry of log_history without a step" in damages[0]


def test_what_our_adapter_logged_wins(tmp_path):
    lines, _ = read(
        trl(tmp_path, [{"step": 1, "reward": 0.5, "credit/reward": -0.5}, {"step": 2, "credit/reward": 1.0}])
    )
    assert (lines[1]["reward"], lines[2]["reward"]) == (-0.5, 1.0)


@pytest.mark.parametrize("text", ["{", "[]", '{"log_history": 3}', "[" * 100_000])
def test_a_damaged_state_is_one_line(tmp_path, text):
    path = trl(tmp_path, [])
    (path / "trainer_state.json").write_text(text)
    with pytest.raises(
        StoreError, match=r"trainer_state.json is not the state of a trainer: .*; give another checkpoint"
    ):
        read(path)


def verl(path, *records):
    path.write_text("".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in records))
    return path


def test_verl_by_our_names(tmp_path):
    data = {
        "critic/score/mean": 0.5, "actor/entropy": 0.3, "actor/pg_loss": 0.01, "actor/grad_norm": 0.9, "actor/ppo_kl": 1e-4,
        "response_length/mean": 120.0, "response_length/clip_ratio": 0.25, "timing_s/step": 9.0, "timing_s/gen": 6.0,
        "perf/max_memory_allocated_gb": 40.0, "credit/success_rate": 0.75,
    }  # fmt: skip
    path = verl(tmp_path / "grpo.jsonl", {"step": 0, "data": {"val-core/x/acc/mean@1": 0.1}}, {"step": 1, "data": data})
    lines, damages = read(path)
    assert damages == [] and find_engine_log(path).name == "grpo"
    assert lines == {
        1: {
            "reward": 0.5, "entropy": 0.3, "loss": 0.01, "gradient_norm": 0.9, "actor.ppo_kl": 1e-4, "response_tokens": 120.0,
            "truncated_share": 0.25, "seconds": 9.0, "seconds_sample": 6.0, "peak_memory_gib": 40.0, "success_rate": 0.75,
        }
    }  # fmt: skip


def test_lines_of_verl_that_cannot_be_read_are_named(tmp_path):
    good = {"step": 1, "data": {"critic/score/mean": 0.5}}
    path = verl(tmp_path / "v.jsonl", good, "no json\n", {"step": 2}, {"step": 3, "data": {}}, '{"step": 4, "da')
    lines, damages = read(path)
    assert list(lines) == [1, 3]
    assert [damage.split("v.jsonl:")[1][:2] for damage in damages] == ["2:", "3:", "5:"]


def scored(step, value, **more):
    """A line of verl's training."""
    return {"step": step, "data": {"critic/score/mean": value, "training/global_step": step, **more}}


def parts(run):
    """A run of 8 steps that went on after 2, twice after 4 and after 6; each time it had done more than it could go on from."""
    run.mkdir()
    verl(run / "metrics-until-2.jsonl", {"step": 0, "data": {"val-core/x": 0.1}}, *(scored(s, 0.1) for s in (1, 2, 3)))
    verl(run / "metrics-until-4.jsonl", *(scored(s, 0.2) for s in (3, 4, 5)))
    verl(run / "metrics-until-4-2.jsonl", scored(5, 0.3))
    verl(
        run / "metrics-until-10.jsonl", *(scored(s, 0.5) for s in range(7, 12))
    )  # 10 is after 4-2, though not in a dictionary
    verl(run / "metrics-until-6.jsonl", *(scored(s, 0.4) for s in (5, 6, 7, 8)))
    # An evaluation comes before training goes on: it stands at a step that was done before.
    return {"step": 10, "data": {"val-core/x": 0.9}}


def test_all_logs_of_a_verl_run_that_went_on_are_read_and_steps_done_twice_once(tmp_path):
    run = tmp_path / "run"
    evaluated = parts(run)
    verl(run / "metrics.jsonl", evaluated, scored(11, 0.6), scored(12, 0.7))
    verl(run / "metrics-until-x.jsonl", scored(99, 0.0))  # somebody else's
    assert read(run)[1] == [] and [path.stem for path in find_engine_log(run).files] == [
        "metrics-until-2", "metrics-until-4", "metrics-until-4-2", "metrics-until-6", "metrics-until-10", "metrics",
    ]  # fmt: skip
    (shown,) = read_runs([str(run)])
    assert shown.steps == tuple(range(1, 13)) and shown.name == "run"
    assert list(shown.columns["reward"]) == [0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7]
    assert "metrics.jsonl and 5 earlier logs beside it" in shown.notes[0]
    followed = FollowedRun(run, ["reward"], log=find_engine_log(run))
    followed.refresh()
    assert (followed.step, followed.history.last("reward")) == (12, list(shown.columns["reward"])[2:])


@pytest.mark.parametrize("newest", [None, [], ["evaluated"]])
def test_a_run_that_has_just_gone_on_shows_what_was_done_before(tmp_path, newest):
    run = tmp_path / "run"
    evaluated = parts(run)
    if newest is not None:
        verl(run / "metrics.jsonl", *([evaluated] if newest else []))
    followed = FollowedRun(run, ["reward"], log=find_engine_log(run))
    followed.refresh()
    assert (followed.step, followed.history.latest("reward")) == (11, 0.5)
    verl(run / "metrics.jsonl", evaluated, scored(11, 0.75))
    followed.refresh()
    assert (followed.step, followed.history.latest("reward")) == (11, 0.75)


def test_a_save_that_was_killed_does_not_hide_the_checkpoint_before(tmp_path):
    whole = trl(tmp_path / "out", [logged(1), logged(2)])
    torn = trl(tmp_path / "out", [logged(1)], step=4)
    (torn / "trainer_state.json").write_text('{"log_history": [{"step"')
    (tmp_path / "out" / "checkpoint-6").mkdir()
    (tmp_path / "out" / "checkpoint-7").write_text("a file")
    assert find_engine_log(tmp_path / "out").path == whole / "trainer_state.json"


def test_what_is_no_log_is_none(tmp_path, make_run, disk):
    counts = tmp_path / "counts.jsonl"
    disk.lines(counts, [{"id": "a", "n": 4, "c": 2}])
    ours = make_run("a", records=disk.metrics(2))
    for path in (tmp_path, tmp_path / "none", counts, ours, ours / "metrics.jsonl"):
        assert find_engine_log(path) is None


def test_one_page_compares_engines(tmp_path, make_run, disk):
    hostile = "</script><b>"
    other = tmp_path / "other"
    trl(other / "trl", [logged(1, **{hostile: 1.0}), logged(2, **{hostile: 2.0})])
    other.joinpath("verl").mkdir()
    verl(other / "verl" / "metrics.jsonl", {"step": 1, "data": {"critic/score/mean": 0.75}})
    ours = make_run("ours", records=disk.metrics(3))
    targets = [str(ours), str(other / "trl"), str(other / "verl")]
    runs = read_runs(targets)
    assert [(run.name, run.kind, run.engine, run.steps) for run in runs] == [
        ("ours", "run", "", (1, 2, 3)),
        ("trl", "log", "TRL", (1, 2)),
        ("verl", "log", "verl", (1,)),
    ]
    page = render_page(build_report(targets, resamples=50))
    assert '"reward":[0.5,0.5]' in page and '"reward":[0.75]' in page and hostile not in page
    assert "<dt>engine</dt><dd>TRL</dd>" in page


LAUNCHED = """[run]
name = "r"
[model]
name = "lab"
[tasks]
name = "countdown"
[rollout]
prompts_per_step = 16
[credit]
rule = "nsr"
[learner]
steps = 2
minibatch = 4
epochs = 2
"""


def test_a_launched_run_has_its_run_file(tmp_path, make_run, disk):
    trl(tmp_path / "trl", [logged(1), logged(2)])
    (tmp_path / "verl").mkdir()
    verl(tmp_path / "verl" / "metrics.jsonl", {"step": 1, "data": {"critic/score/mean": 0.75}})
    for name in ("trl", "verl"):
        (tmp_path / name / "launch.toml").write_text(LAUNCHED)
    ours = make_run("ours", records=disk.metrics(3))
    targets = [str(ours), str(tmp_path / "trl" / "checkpoint-2"), str(tmp_path / "verl")]
    report = build_report(targets, resamples=50)
    cards, shared = make_cards(report)
    facts = [dict(card.facts) | dict(shared) for card in cards]
    assert [own["engine"] for own in facts] == ["local", "TRL", "verl"]
    assert [own["rule"] for own in facts[1:]] == ["nsr", "nsr"] and facts[1]["model"] == "lab"
    _, of_trl, of_verl = (run.notes for run in report.runs)
    assert "no run file" not in of_trl[0] and "counterpoise eval" in of_trl[0]
    assert "8 of which are a step of the run file" in of_trl[1] and len(of_verl) == 1  # 16 / 4 mini-batches, twice


def test_a_damaged_run_file_of_a_launched_run_is_one_line(tmp_path):
    trl(tmp_path / "trl", [logged(1)])
    (tmp_path / "trl" / "launch.toml").write_text("[run\n")
    (run,) = read_runs([str(tmp_path / "trl")])
    assert run.config == {} and "launch.toml is not valid TOML" in run.notes[1]


def test_without_another_engine_no_card_says_local(make_run, disk):
    names = ("a", "b")
    cards, shared = make_cards(
        build_report([str(make_run(one, records=disk.metrics(2))) for one in names], resamples=50)
    )
    assert not any("engine" in dict([*card.facts, *shared]) for card in cards)
