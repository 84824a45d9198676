"""A process that has imported what is slow to import and forks for every order: each child is a fresh Python that starts at once.

Orders are lines of JSON on the standard input; the answer to each is the child's number. Its exit status, negative for a signal, goes
into a file when it has ended. Importing torch, transformers and accelerate takes five to nine seconds of processor time, which every
child saves.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import select
import sys
import warnings
from typing import Any

MODULES = (
    "accelerate.data_loader",
    "counterpoise.cli.app",
    "counterpoise.engines.local",
    "counterpoise.jobs.evaluate",
    "counterpoise.learner.critic",
    "torch.distributed.run",
    "torch.optim.adamw",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
)


def next_order() -> dict[str, Any]:
    """The order that this process was forked for; the server itself stays here until there are no more."""
    unread, running = b"", {}
    while True:
        while b"\n" in unread:
            line, _, unread = unread.partition(b"\n")
            order: dict[str, Any] = json.loads(line)
            pid = os.fork()
            if pid == 0:
                return order
            running[pid] = order["status"]
            os.write(1, f"{pid}\n".encode())
        if select.select([0], [], [], 0.02 if running else None)[0]:
            block = os.read(0, 65536)
            if not block:
                os._exit(0)  # at once: taking all the modules down takes seconds
            unread += block
        for pid in list(running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                path = running.pop(pid)
                with open(path + ".new", "w") as file:
                    file.write(str(os.waitstatus_to_exitcode(status)))
                os.replace(path + ".new", path)


def become(order: dict[str, Any]) -> None:
    """Streams, directory, environment and arguments of the order."""
    for descriptor, path in enumerate((os.devnull, order["stdout"], order["stderr"])):
        opened = os.open(path, os.O_RDWR | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["directory"])
    sys.argv = order["arguments"]


if __name__ == "__main__":
    warnings.simplefilter("error")  # as `python -W error` would have it, imports included
    for module in MODULES:
        importlib.import_module(module)
    order = next_order()
    become(order)
    if not order["strict"]:
        warnings.filters.remove(("error", None, Warning, None, 0))
        warnings.simplefilter(
            "ignore", ResourceWarning, append=True
        )  # is there already, but tells that the list has changed
    if order["module"]:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(order["arguments"][0])
        runpy.run_path(order["arguments"][0], run_name="__main__")
