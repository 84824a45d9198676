"""One of two processes that train under guards, and what it ended with."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import PartialState

from counterpoise.cli.app import main
from counterpoise.engines.local import loop as local


class _Recorded(local._Run):
    """Keeps what the process would otherwise take with it."""

    ended: dict[str, object]

    def train(self):
        result = super().train()
        _Recorded.ended = {
            "parameters": {name: value.clone() for name, value in self.policy.model.state_dict().items()},
            "learner": self.learner.state_dict(),
            "guards": self.guards.state_dict(),
        }
        return result


if __name__ == "__main__":
    local._Run = _Recorded
    run_file, output = sys.argv[1], Path(sys.argv[2])
    sys.argv = ["counterpoise", "train", run_file]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, stop.code
    state = PartialState()
    torch.save(_Recorded.ended, output / f"{state.process_index}.pt")
    state.destroy_process_group()
