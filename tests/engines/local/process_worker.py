"""One of two processes: `counterpoise train` several times over, and what this process ended with."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from accelerate import PartialState

from counterpoise.cli.app import main
from counterpoise.engines.local import loop as local


class _Recorded(local._Run):
    """Keeps what the process would otherwise take with it, and interrupts the second one where it is asked to."""

    ended: dict[str, object]

    def train(self):
        result = super().train()
        _Recorded.ended = {
            "parameters": {name: value.clone() for name, value in self.policy.model.state_dict().items()},
            "learner": self.learner.state_dict(),
            "final": [(counts.n, counts.c) for counts in result.final.counts],
        }
        return result

    def _one_step(self):
        record = super()._one_step()
        if self.config.run.name == "stopped" and not self.main:
            os.kill(os.getpid(), signal.SIGINT)
        return record


def run(*arguments: str) -> int:
    sys.argv = ["counterpoise", *arguments]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


if __name__ == "__main__":
    local._Run = _Recorded
    run_file, output = sys.argv[1], Path(sys.argv[2])
    codes = [run("train", run_file, "run.name=whole"), run("train", run_file, "run.name=whole")]
    codes.append(run("train", run_file, "run.name=stopped"))
    codes.append(run("train", run_file, "run.name=few", "rollout.prompts_per_step=1", "learner.minibatch=none"))
    state = PartialState()
    torch.save(_Recorded.ended, output / f"{state.process_index}.pt")
    (output / f"{state.process_index}.json").write_text(json.dumps({"processes": state.num_processes, "codes": codes}))
    state.destroy_process_group()
