"""counterpoise from Python in a few lines: `train`, `evaluate` and `compare`, which `import counterpoise` gives without importing torch.

They make a configuration as a run file does and call what the commands call, so that a run begun here is continued, evaluated, compared
and reported from the command line, and the other way round.
"""

from counterpoise.api.compare import compare
from counterpoise.api.evaluate import evaluate
from counterpoise.api.results import Compared, Evaluated, Trained
from counterpoise.api.train import train

__all__ = ["Compared", "Evaluated", "Trained", "compare", "evaluate", "train"]
