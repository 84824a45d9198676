"""One noun, one meaning: no public class, type or function has the name of another one in a second module."""

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "counterpoise"
SAME = {
    "serve": "the loop of a process in the sandbox",
    "prepare": "what a verifier loads before a deadline runs",
    "advise": "the job, and the decision that it ends in",
}
"""Names that two modules share because they mean the same in both."""


def public_names(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name) and not target.id.isupper()}
    return {name for name in found if not name.startswith("_")}


def test_no_name_is_two_things():
    homes = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in ("cli", "api"):  # both have the names of the jobs that they start
            for name in public_names(path):
                homes[name].append(str(path.relative_to(PACKAGE)))
    twice = {name: paths for name, paths in homes.items() if len(paths) > 1 and name not in SAME}
    assert twice == {}, "rename one of each, or say in SAME what both mean"
    assert {name for name in SAME if len(homes[name]) < 2} == set()
