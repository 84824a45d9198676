"""verl is in an environment of its own (`make test-verl`); elsewhere these tests are not collected."""

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "cpu")]

collect_ignore_glob = [] if importlib.util.find_spec("verl") else ["test_*.py"]
