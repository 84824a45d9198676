"""Settings of every test process, made before anything imports torch or a tokenizer."""

import fcntl
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

# One thread each: the models of the tests are tiny, and several processes with several threads wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# The workers of pytest-xdist set a width of 80; without it tables are as wide as they need, as in any output that is not a terminal.
os.environ.pop("COLUMNS", None)
# No test may depend on a network, whatever this machine has.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

# The same examples on every run, and no deadline: a busy machine must not fail a test.
# `HYPOTHESIS_PROFILE=search` looks at new examples instead.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@dataclass
class WarmProcess:
    """A child of the warm server; the part of `subprocess.Popen` that the tests need."""

    pid: int
    folder: Path
    returncode: int | None = field(default=None, init=False)

    @property
    def stdout(self):
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self):
        return (self.folder / "stderr").read_text()

    def poll(self):
        if self.returncode is None and (self.folder / "status").exists():
            self.returncode = int((self.folder / "status").read_text())
        return self.returncode

    def wait(self, timeout=400.0):
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < deadline, (self.stdout, self.stderr)
            time.sleep(0.01)
        return self

    def kill(self):
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def warm_server(tmp_path_factory):
    """Orders of `warm_server.py`, which is started by the first."""
    servers, folders = [], tmp_path_factory.mktemp("warm")

    def start(*arguments, module="", strict=False, cwd=None, **environment):
        if not servers:
            command = [sys.executable, str(Path(__file__).with_name("warm_server.py"))]
            servers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        folder = folders / str(len(list(folders.iterdir())))
        folder.mkdir()
        order = {name: str(folder / name) for name in ("stdout", "stderr", "status")}
        for name in ("stdout", "stderr"):
            (folder / name).touch()
        order |= {"arguments": [str(argument) for argument in arguments], "module": module, "strict": strict}
        order |= {"directory": str(cwd or os.getcwd()), "environment": os.environ | environment}
        servers[0].stdin.write(json.dumps(order) + "\n")
        servers[0].stdin.flush()
        return WarmProcess(int(servers[0].stdout.readline()), folder)

    yield start
    for server in servers:
        server.communicate()


@pytest.fixture(scope="session")
def pythons(warm_server):
    """`pythons(2, script, argument, …)`: so many processes of one group on the CPU, in the environment that torchrun gives them."""
    stores = []

    def start(count, *arguments):
        if count == 1:
            return [warm_server(*arguments, CUDA_VISIBLE_DEVICES="")]
        from torch.distributed import TCPStore

        # Kept here, as torchrun keeps it: none of the processes has to find a free port.
        stores.append(TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False))
        group = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(stores[-1].port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
        }
        group |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "CUDA_VISIBLE_DEVICES": ""}
        return [warm_server(*arguments, RANK=str(rank), LOCAL_RANK=str(rank), **group) for rank in range(count)]

    return start


@pytest.fixture
def python(warm_server):
    """`python(script, argument, …)`: the same as the command, started in a hundredth of the time; killed when the test is over."""
    processes = []

    def start(*arguments, **options):
        processes.append(warm_server(*arguments, **options))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def command(monkeypatch, tmp_path):
    """`command("train", file, …)`: what `counterpoise train file …` answers, in an empty directory."""
    from typer.testing import CliRunner

    from counterpoise.cli.app import app

    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        # What is not a `CounterpoiseError` is raised again here, so that the test shows where the bug is.
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        assert "Traceback" not in result.output
        return result

    return call


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory):
    """The directory of a random policy of one layer."""
    from counterpoise.models.lab import build_lab_model, save_lab_model
    from counterpoise.models.lab_tokenizer import build_lab_tokenizer

    path = tmp_path_factory.mktemp("policy")
    save_lab_model(build_lab_model(seed=0, hidden_size=32, layers=1), build_lab_tokenizer(), path)
    return path


@pytest.fixture
def configure(tiny_policy, tmp_path):
    """Run settings of four steps on the tiny policy: a run takes a second."""
    from counterpoise.runfile import parse_config

    def make(*overrides, name="run"):
        return parse_config(
            {
                "run": {"directory": str(tmp_path / "runs"), "name": name},
                "model": {"name": str(tiny_policy)},
                "tasks": {"name": "countdown", "settings": {"count": 2, "largest": 6}},
                "rollout": {"prompts_per_step": 4, "group_size": 4, "max_tokens": 6},
                "learner": {"steps": 4, "learning_rate": 1e-3, "minibatch": 2},
                "checkpoint": {"every_steps": 2},
                "evaluation": {
                    "problems": 4,
                    "n": 4,
                    "temperature": 1.0,
                    "top_p": 1.0,
                    "before": False,
                    "after": False,
                },
            },
            overrides,
        )

    return make


@pytest.fixture
def judge_with(monkeypatch):
    """`judge_with(verify)`: a function in the place of `Judge.verify`, for batches that are judged as they come as well."""
    from counterpoise.verifiers.judge import Judge

    def replace(verify):
        class Begun:
            def __init__(self, judge):
                self.judge, self.asked = judge, {}

            def add(self, rows, problems, responses, truncated):
                self.asked |= zip(rows, zip(problems, responses, truncated, strict=True), strict=True)

            def verdicts(self):
                asked = [self.asked[row] for row in sorted(self.asked)]
                return verify(self.judge, *map(list, zip(*asked, strict=True)))

            def close(self):
                pass

        monkeypatch.setattr(Judge, "verify", verify)
        monkeypatch.setattr(Judge, "begin", lambda judge: Begun(judge))

    return replace


@pytest.fixture(scope="session")
def within():
    """`within(0.5, work)`: whether one of three calls takes fewer seconds of this process; collected garbage is nobody's fault.

    For work that remembers nothing: of what is remembered the second call is not a measure.
    """

    def within(limit, work):
        for _ in range(3):
            start = time.process_time()
            work()
            if time.process_time() - start < limit:
                return True
        return False

    return within


@pytest.fixture(scope="session")
def smollm2_cache(tmp_path_factory):
    """A cache directory with the real model in it, which is converted once for all workers."""
    from counterpoise.models.smollm2 import smollm2_path

    folder = tmp_path_factory.getbasetemp()
    cache = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "smollm2"
    with cache.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        smollm2_path(cache=cache)
    return cache


@pytest.fixture
def poison_loss(monkeypatch):
    """`poison_loss(3)`: the loss of the third update is not a number. What it returns makes the losses whole again."""
    from counterpoise.build import loss
    from counterpoise.types import LossOutput

    real = loss.make_loss

    def poison(update):
        calls = iter(range(1, 100))

        def make_loss(name, **settings):
            inner = real(name, **settings)

            def loss(**tensors):
                output = inner(**tensors)
                factor = float("nan") if next(calls) == update else 1.0
                return LossOutput(row_sums=output.row_sums * factor, lengths=output.lengths, metrics=output.metrics)

            return loss

        monkeypatch.setattr(loss, "make_loss", make_loss)
        return lambda: monkeypatch.setattr(loss, "make_loss", real)

    return poison


@pytest.fixture(scope="session")
def fake():
    """The module `evaluation/fake_evaluation.py`, which the kill test also runs as a program."""
    path = Path(__file__).parent / "evaluation" / "fake_evaluation.py"
    spec = importlib.util.spec_from_file_location("fake_evaluation", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_evaluation"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fake_evaluation"]
