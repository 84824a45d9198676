"""The reward function that verl's settings name, looked at before Ray starts: can it be called as verl will call it, and judge as asked?"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from counterpoise.engines.arguments import is_number
from counterpoise.engines.watch import is_own
from counterpoise.errors import CounterpoiseError, UsageError

__all__ = ["check_function", "check_reward_worth"]

_WHERE: Final = "reward.custom_reward_function"
_HANDED: Final = ("data_source", "solution_str", "ground_truth", "extra_info")
"""What verl's reward managers hand over, by name."""
_OF_MODEL: Final = ("reward_router_address", "reward_model_tokenizer")
"""And these, where a reward model is served."""
_OURS: Final = ("counterpoise.engines.verl.rewards", "counterpoise.engines.verl.judging")


def check_function(function: Mapping[str, Any], *, manager: str = "naive", model: bool = False) -> Any:
    """Load the reward function, which verl does in its workers, and hold it against the call that it will get.

    Args:
        function: verl's `reward.custom_reward_function`: path, name and reward_kwargs.
        manager: verl's `reward.reward_manager.name`.
        model: verl serves a reward model (`reward.reward_model.enable`).

    Returns:
        The function; None where none is named.

    Raises:
        UsageError: it cannot be loaded, or called with this, or ours takes no such verifier or setting.
    """
    path, name, given = function.get("path"), function.get("name"), function.get("reward_kwargs")
    if not path:
        return None
    for key, value in (("path", path), ("name", name)):
        if not isinstance(value, str):
            raise UsageError(f"{_WHERE}.{key}={value}: give text, the path of a file and the name of a function in it")
    if not isinstance(given, (Mapping, type(None))):
        raise UsageError(f"{_WHERE}.reward_kwargs={given}: give a table, +{_WHERE}.reward_kwargs.NAME=VALUE")
    try:
        load = importlib.import_module("verl.utils.import_utils").load_extern_object
        found = load(module_path=path, object_name=name)
    except (Exception, SystemExit) as error:  # a script may end itself
        cause = error.__cause__ or error  # what the file itself raised
        raise UsageError(
            f"{_WHERE}: {name} of {path} cannot be loaded ({type(cause).__name__}: {' '.join(str(cause).split())}); give the path "
            "of a file, or pkg://package.module, and the name of a function in it"
        ) from error
    if not callable(found) or inspect.isclass(found):
        kind = "class" if inspect.isclass(found) else type(found).__name__
        raise UsageError(
            f"{_WHERE}: {name} of {path} is no function ({kind}); name one that takes data_source, solution_str, ground_truth and "
            "extra_info"
        )
    called = f"{name} of {path}"
    _check_kind(found, called, manager)
    _check_call(found, called, given or {}, model=model)
    if getattr(found, "__module__", "") in _OURS:
        _check_ours(found, given or {})
    return found


def _check_kind(found: Callable[..., Any], called: str, manager: str) -> None:
    """Whether verl waits for it: it asks the function alone, and its remote manager waits for none."""
    if not inspect.iscoroutinefunction(found):
        if inspect.iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004
            raise UsageError(
                f"{_WHERE}: {called} is an object whose call is async, which verl does not wait for; name an async def"
            )
        return
    if manager == "remote":
        raise UsageError(
            f"reward.reward_manager.name=remote: verl's remote manager takes no async function, and {called} is one; set naive, or name "
            "one that is not async"
        )


def _check_call(found: Callable[..., Any], called: str, given: Mapping[str, Any], *, model: bool) -> None:
    """Whether its parameters are those that it will be called with."""
    taken = [key for key in given if key in _HANDED]
    if taken:
        raise UsageError(
            f"{_WHERE}.reward_kwargs.{taken[0]} takes the place of what verl hands over of each response; give it another name"
        )
    handed = [*_HANDED, *(_OF_MODEL if model else ())]
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # of code outside of Python nobody knows
        return
    try:
        signature.bind(**dict.fromkeys(handed), **given)
    except TypeError as error:
        own = f", and {', '.join(given)} of reward_kwargs" if given else ""
        raise UsageError(
            f"{_WHERE}: {called} cannot be called as verl calls it ({error}); it gets {', '.join(handed)}{own}, all by name: change its "
            "parameters, or reward_kwargs"
        ) from error


def _check_ours(found: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """The verifier that one of our functions is to ask, its settings, and what else it is given."""
    from counterpoise.engines.verl.rewards import check_reward, plain_settings

    own = plain_settings(given)
    named = set(inspect.signature(found).parameters)
    try:
        workers = own.get("workers_per_node", 0)
        if type(workers) is not int or workers < 0:
            raise UsageError(f"workers_per_node={workers!r}: give the number of processes on each node, or 0")
        if "wrong" in own and not is_number(own["wrong"]):
            raise UsageError(f"wrong={own['wrong']!r}: give a number, the score of what is not right")
        if "run" in own and not (isinstance(own["run"], str) and Path(own["run"]).is_file()):
            raise UsageError(f"run={own['run']}: there is no such file; give launch.toml of the run's directory")
        if own.get("verifier") is not None:
            settings = {key: value for key, value in own.items() if key not in named}
            check_reward("", "", own["verifier"], settings)
    except CounterpoiseError as error:
        raise UsageError(f"{_WHERE}.reward_kwargs: {error}") from error


def check_reward_worth(function: Any, reward: str) -> None:
    """Refuse a reward that is made of verdicts (`algorithm.counterpoise.reward`) where the function gives none.

    A function of the user's own may hand on what one of ours returns; one whose file never mentions this package cannot.

    Args:
        function: what `check_function` has loaded; None where none is named, which verl's settings are asked about.
        reward: the name of the reward.

    Raises:
        UsageError: it cannot.
    """
    if reward == "binary" or function is None or not is_own(function):
        return
    try:
        text = inspect.getsource(inspect.getmodule(function) or function)
    except (OSError, TypeError):
        return
    if "counterpoise" not in text:
        raise UsageError(
            f"algorithm.counterpoise.reward={reward} is what a verdict of ours is worth, and "
            f"{getattr(function, '__name__', 'the reward function')} gives none; leave the reward out, or have it called by ours: "
            f"{_WHERE}.path=pkg://counterpoise.engines.verl.rewards +{_WHERE}.reward_kwargs.verifier=/path/rewards.py:NAME"
        )
