"""Train the lab's policy from Python and print its pass@k before and after.

python examples/train_lab.py                               minutes on two CPU cores
python examples/train_lab.py credit.rule=nsr run.name=nsr  any setting of a run file
"""

import sys
from pathlib import Path

from counterpoise.engines.local import train
from counterpoise.engines.local.observer import Silent
from counterpoise.runfile import load_config
from counterpoise.runs.directory import RunDirectory

RECIPE = Path(__file__).parent.parent / "recipes" / "lab.toml"


class Printer(Silent):
    """Prints a line for each step; an observer may do anything but raise."""

    def stepped(self, step, record):
        print(f"step {step:3d}  reward {record['reward']:+.3f}  polarity share {record['polarity_share_tokens']:.3f}")


config = load_config(RECIPE, ["run.name=example", *sys.argv[1:]])
result = train(RunDirectory.create(config), observer=Printer())
for before, after in zip(result.base.curve, result.final.curve, strict=True):
    print(f"pass@{after.k:<3d}  {before.estimate:.3f} -> {after.estimate:.3f}  [{after.low:.3f}, {after.high:.3f}]")
print(f"weights: {result.checkpoint.policy}")
