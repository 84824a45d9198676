import dataclasses

import pytest

from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.tasks.registry import TASKS, make_task


def test_names_are_the_tasks_own() -> None:
    assert {name: task.name for name, task in TASKS.items()} == {name: name for name in TASKS}


@pytest.mark.parametrize("task", TASKS.values())
def test_every_setting_has_a_default_and_every_task_a_first_line(task: type) -> None:
    assert all(field.default is not dataclasses.MISSING for field in dataclasses.fields(task))
    assert task.__doc__.partition("\n")[0]


def test_settings_arrive() -> None:
    assert make_task("arithmetic", operations=2).operations == 2


def test_unknown_task_names_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown task 'gms8k'; did you mean 'gsm8k'\? Known: arithmetic, capitals, choice, countdown",
    ):
        make_task("gms8k")


def test_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(
        ConfigError,
        match=r"task arithmetic: unknown setting 'operation'; did you mean 'operations'\? It takes: operations, largest",
    ):
        make_task("arithmetic", operation=3)
