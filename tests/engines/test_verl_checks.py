"""What is refused before verl starts Ray, or a worker of it: one line each with the remedy."""

import socket

import pytest

from counterpoise.engines.verl import checks
from counterpoise.engines.verl.checks import check_devices, check_ray
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


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dashboard_port": "x"}, "dashboard_port=x: give the number of a port, or leave it out"),
        ({"dashboard_port": 8265.5}, "dashboard_port=8265.5: give the number"),
        ({"dashboard_port": 100000}, "dashboard_port=100000 is taken"),
        ({"address": 3}, "address=3: give text, HOST:PORT"),
    ],
)
def test_settings_of_ray_that_are_none(running, settings, says):
    with pytest.raises(UsageError, match=says):
        check_ray(settings, environment={})
