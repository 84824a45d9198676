import json

import pytest

from counterpoise.errors import ConfigError, DataError, MissingExtraError, UnknownNameError
from counterpoise.tasks.generators import reasoning_gym as module
from counterpoise.tasks.generators.reasoning_gym import EXCLUDED, ReasoningGym, generator_names


def everything(task):
    return [*task.loaded("train").problems, *task.loaded("test").problems]


def test_a_problem():
    problem = ReasoningGym(generators="chain_sum", size=50).problems("train")[0]
    assert (problem.task_type, problem.verifier) == ("reasoning_gym/chain_sum", "reasoning_gym")
    value = json.loads(problem.gold)
    assert problem.demonstration == f"<answer>\n{value['answer']}\n</answer>"
    assert sorted(value) == ["answer", "generator", "metadata", "options"]


def test_seeds_share_items_and_an_item_keeps_its_side():
    # seed + index is the state of an item, so that 100 items of seed 7 and of seed 8 have 99 in common
    first, second = (ReasoningGym(generators="chain_sum", size=100, seed=seed) for seed in (7, 8))
    assert len({p.problem_id for p in everything(first)} & {p.problem_id for p in everything(second)}) >= 99
    train = {p.problem_id for task in (first, second) for p in task.problems("train")}
    test = {p.problem_id for task in (first, second) for p in task.problems("test")}
    assert train and test and not train & test


def test_equal_items_are_kept_once():
    loaded = ReasoningGym(generators="gcd", size=40, options={"max_value": 3}).loaded("train")
    assert loaded.duplicates > 0
    assert loaded.conflicts == 0


def test_options_reach_the_generator_and_the_scorer():
    task = ReasoningGym(generators=["chain_sum"], size=5, options={"min_terms": 2, "max_terms": 2})
    assert all(p.question.count("+") + p.question.count(" - ") <= 2 for p in everything(task))
    assert json.loads(everything(task)[0].gold)["options"] == {"min_terms": 2, "max_terms": 2}


@pytest.mark.slow
def test_every_generator_that_is_not_left_out_passes_selfcheck(self_check):
    """Two items of each; `docs/log/` has a run with more."""
    assert len(generator_names()) + len(EXCLUDED) == 106
    failed = {}
    for name in generator_names():
        report = self_check(everything(ReasoningGym(generators=name, size=2, seed=11)), task=name)
        if not report.ok:
            failed[name] = [probe.name for probe in report.probes if not probe.ok]
    assert failed == {}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"generators": "sokoban"},
            ConfigError,
            "generator 'sokoban' is left out: its scorer picks the moves out of any text",
        ),
        ({"generators": "gcd,composite"}, ConfigError, "generator 'composite' is left out: it mixes other generators"),
        ({"options": {"x": 1}}, ConfigError, "options belong to one generator; give generators=NAME"),
        ({"generators": "gcd,lcm", "options": {"x": 1}}, ConfigError, "options belong to one generator"),
        ({"size": 0}, ConfigError, r"task reasoning_gym: size = 0; expected an integer in \[1, 1e\+06\]"),
        ({"test_fraction": 1.5}, ConfigError, "test_fraction = 1.5"),
    ],
)
def test_settings_are_checked_before_anything_is_made(settings, error, message):
    with pytest.raises(error, match=message):
        ReasoningGym(**settings)


def test_mistakes_that_only_the_package_knows():
    with pytest.raises(UnknownNameError, match="unknown reasoning-gym generator 'chainsum'; did you mean 'chain_sum'"):
        ReasoningGym(generators="chainsum").problems("train")
    with pytest.raises(ConfigError, match=r"chain_sum refuses the options \{'max_term': 3\} \(.*unexpected keyword"):
        ReasoningGym(generators="chain_sum", options={"max_term": 3}).problems("train")
    with pytest.raises(ConfigError, match="chain_sum refuses the options"):
        ReasoningGym(generators="chain_sum", options={"min_terms": 5, "max_terms": 2}).problems("train")
    with pytest.raises(DataError, match=r"has no test problems with size=3 and test_fraction=0\.0; raise size"):
        ReasoningGym(generators="chain_sum", size=3, test_fraction=0).problems("test")


def test_tuples_and_numbers_as_keys_survive_json():
    value = {
        "a": (1, [2, (3,)]),
        "b": {0: "x", (1, 2): None},
        "c": True,
        "d": {
            1,
        },
        "e": 1.5,
    }
    frozen = module._freeze(value)
    assert json.loads(json.dumps(frozen)) == {
        "a": {"__tuple__": [1, [2, {"__tuple__": [3]}]]},
        "b": {"__pairs__": [[0, "x"], [{"__tuple__": [1, 2]}, None]]},
        "c": True,
        "d": "{1}",
        "e": 1.5,
    }


def test_without_the_package(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", absent)
    generator_names.cache_clear()
    with pytest.raises(
        MissingExtraError, match=r"task 'reasoning_gym' needs the package 'reasoning-gym'.*pip install 'reasoning-gym>="
    ):
        ReasoningGym().problems("train")
