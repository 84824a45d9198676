"""Two processes of gloo, each of which has its own rollouts of the fixed step: what a driver makes of them.

`python ranks.py DRIVER FOLDER CASES OUT` is one of them.
"""

import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
RANKS = 2


def run_ranks(driver, folder, cases):
    """For each (credit, alone) of the cases, what `own_share` of that driver gave in each process, in order of rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "WORLD_SIZE": RANKS,
        "LOCAL_WORLD_SIZE": RANKS,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": 1,
    }
    started = []
    for rank in range(RANKS):
        own = {name: str(value) for name, value in (shared | {"RANK": rank, "LOCAL_RANK": rank}).items()}
        arguments = [driver, str(folder), json.dumps(cases), str(folder / f"{driver}.{rank}.pt")]
        started.append(
            subprocess.Popen(
                [sys.executable, __file__, *arguments],
                env=os.environ | own | {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        said = [process.communicate(timeout=280)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * RANKS, "\n".join(text[-2000:] for text in said)
    found = [torch.load(folder / f"{driver}.{rank}.pt", weights_only=True) for rank in range(RANKS)]
    return [list(each) for each in zip(*found, strict=True)]


if __name__ == "__main__":
    name, folder, cases, out = sys.argv[1:]
    sys.path[:0] = [str(HERE)]
    driver, rank = importlib.import_module(name).Driver(Path(folder)), int(os.environ["RANK"])
    torch.save([driver.own_share(rank, credit, alone=alone) for credit, alone in json.loads(cases)], out)
    torch.distributed.destroy_process_group()
