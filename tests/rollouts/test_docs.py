from __future__ import annotations

import re
from pathlib import Path


def test_the_example_in_the_documentation_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "rollouts.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(example, "docs/rollouts.md", "exec"), {})
