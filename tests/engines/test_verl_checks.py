"""What is refused before verl starts Ray, or a worker of it: one line each with the remedy."""

import socket
import types

import pytest

from counterpoise.engines.verl import checks
from counterpoise.engines.verl.checks import check_devices, check_function, check_ray
from counterpoise.engines.verl.rewards import compute_score
from counterpoise.errors import UsageError


@pytest.fixture
def port():
    """One that somebody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def nobody():
    """One that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def running(monkeypatch):
    def run(address):
        monkeypatch.setattr(checks, "_running", lambda: address)

    run(None)
    return run


def test_a_cluster_of_ones_own_needs_nothing(running):
    assert check_ray({"num_cpus": 8}, environment={}) is None
    assert check_ray({"address": "local", "num_cpus": 8}, environment={"RAY_ADDRESS": "127.0.0.1:1"}) is None


def test_a_cluster_that_runs_on_the_machine_is_joined_and_not_run_into(running, port, nobody):
    running(f"127.0.0.1:{nobody}")  # it was stopped
    assert check_ray({"num_cpus": 8}, environment={}) is None
    running(f"127.0.0.1:{port}")
    assert check_ray({}, environment={}) == f"127.0.0.1:{port}"  # Ray joins it
    with pytest.raises(
        UsageError, match=rf"num_cpus=8 is for a new cluster, and one runs already at 127.0.0.1:{port}; .*local"
    ):
        check_ray({"num_cpus": 8}, environment={})
    assert check_ray({"num_cpus": 8, "address": "local"}, environment={}) is None


def test_a_cluster_that_is_not_there(running, port, nobody):
    with pytest.raises(
        UsageError, match=rf"no Ray cluster answers at 127.0.0.1:{nobody}; start one there \(ray start --head"
    ):
        check_ray({"address": f"127.0.0.1:{nobody}"}, environment={})
    with pytest.raises(UsageError, match="no Ray cluster answers at nonsense"):
        check_ray({}, environment={"RAY_ADDRESS": "nonsense"})
    assert check_ray({}, environment={"RAY_ADDRESS": f"127.0.0.1:{port}"}) == f"127.0.0.1:{port}"


def test_auto_is_a_cluster_that_runs_here(running, port, nobody):
    for address in (None, f"127.0.0.1:{nobody}"):
        running(address)
        with pytest.raises(UsageError, match=r"no Ray cluster runs on this machine, .* \(ray start --head\)"):
            check_ray({"address": "auto"}, environment={})
    running(f"127.0.0.1:{port}")
    assert check_ray({"address": "auto"}, environment={}) == "auto"


def test_sizes_are_for_a_new_cluster(running, port):
    with pytest.raises(UsageError, match=r"ray_init.num_gpus=8 is for a new cluster, and one runs"):
        check_ray({"address": f"127.0.0.1:{port}", "num_gpus": 8}, environment={})


def test_a_port_that_is_taken(running, port):
    with pytest.raises(UsageError, match=rf"dashboard_port={port} is taken on this machine; give another one"):
        check_ray({"dashboard_port": port}, environment={})
    assert check_ray({"dashboard_port": port, "include_dashboard": False}, environment={}) is None


def test_a_machine_with_too_few_accelerators():
    check_devices(2, 2)
    with pytest.raises(UsageError, match=r"trainer.n_gpus_per_node=8 and this machine has 2; lower it"):
        check_devices(8, 2)


@pytest.fixture
def loader(monkeypatch):
    def load(module_path, object_name):
        if module_path == "pkg://number":
            return 3
        if module_path != "pkg://ours":
            raise FileNotFoundError(f"Custom module file\n{module_path!r} not found.")
        return compute_score

    module = types.SimpleNamespace(load_extern_object=load)
    monkeypatch.setattr(checks.importlib, "import_module", lambda _: module)


def test_a_reward_function_that_is_not_there(loader):
    check_function({"path": None})
    with pytest.raises(
        UsageError, match=r"f of gone.py cannot be loaded \(FileNotFoundError: Custom module file 'gone.py' not"
    ):
        check_function({"path": "gone.py", "name": "f"})


def test_a_reward_function_that_is_none(loader):
    with pytest.raises(UsageError, match=r"f of pkg://number is no function \(int\); name one that takes data_source"):
        check_function({"path": "pkg://number", "name": "f"})


def test_the_verifier_of_our_own_reward_function_is_looked_up(loader):
    ours = {"path": "pkg://ours", "name": "compute_score"}
    check_function(ours)
    check_function(ours | {"reward_kwargs": {"verifier": "math"}})
    with pytest.raises(UsageError, match=r"reward_kwargs: .*did you mean 'math'"):
        check_function(ours | {"reward_kwargs": {"verifier": "mth"}})
    with pytest.raises(UsageError, match=r"reward_kwargs: .*tolerence"):
        check_function(ours | {"reward_kwargs": {"verifier": "numeric", "tolerence": 1}})
