"""docs/claims.md: a verdict for every claim, its numbers or why there are none, and every open one in the list of what is open."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "claims.md").read_text(encoding="utf-8")
VERDICTS = r"\*\*(reproduced|not reproduced|not|depends|withdrawn|open|yes)"
INTERVAL = r"\[[+-]?\d+\.?\d*, [+-]?\d+\.?\d*\]"
WITHOUT = ("no interval", "log/", "one seed", "run beside", "built, never trained")


def _rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("| claim")]


def test_every_claim_has_a_test_a_verdict_and_numbers_or_why_not():
    rows = _rows(PAGE.partition("## Open")[0])
    assert len(rows) > 20
    for claim, test, verdict in rows:
        assert test, claim
        assert re.search(VERDICTS, verdict), claim
        if "**open**" not in verdict:
            assert re.search(INTERVAL, verdict) or any(word in verdict for word in WITHOUT), claim


def test_every_open_claim_is_in_the_list_of_what_is_open():
    claims, _, rest = PAGE.partition("## Open")
    listed = rest.casefold()
    assert len(_rows(rest)) > 1  # its heading, and what one seed or one bed leaves open
    for claim in (claim for claim, _, verdict in _rows(claims) if "**open**" in verdict):
        first = re.sub(r"\(.*?\)", "", claim).replace(",", " ").replace(":", " ").casefold().split()
        assert sum(word in listed for word in first) >= len(first) - 2, claim
