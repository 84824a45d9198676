"""Files of anything: an import names what it cannot use, or says why the whole file is nothing, and never crashes."""

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterpoise.errors import CounterpoiseError
from counterpoise.evaluation.imports.refused import Refused
from counterpoise.evaluation.imports.source import open_sources
from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.jobs.imports import import_rollouts

GOOD = {
    "trl": {"step": 1, "prompt": "p", "completion": "c", "r": 1.0, "advantage": 0.0},
    "verl": {"input": "p", "output": "c", "gts": "g", "score": 1.0, "step": 1},
    "lm-eval": {"doc_id": 0, "resps": [["c"]], "arguments": [["p", {}]], "target": "g", "metrics": ["m"], "m": 1.0},
    "jsonl": {"prompt": "p", "response": "c", "score": 1.0},
}
OTHERS = ["advantage", "id", "tokens", "stop_reason", "filter", "gen_args_0", "arg_0", "role", "content"]
NAMES = st.sampled_from(sorted({*OTHERS, *(name for row in GOOD.values() for name in row)}))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
SOME = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def imported(content, name="auto"):
    """(draws stored, rows refused); the message where the whole file is refused, which then leaves nothing."""
    with tempfile.TemporaryDirectory() as directory:
        file, out = Path(directory, "1.jsonl"), Path(directory, "e")
        file.write_bytes(content)
        try:
            done = import_rollouts(out, open_sources([file], name, {}))
        except CounterpoiseError as error:
            assert not out.exists()
            return str(error)
        assert [*RolloutStore(out).rollouts()] and not RolloutStore(out).damages
        return sum(done.added.values()), done.refused.total


@SOME
@given(st.binary(max_size=60))
def test_any_bytes(content):
    whole = json.dumps(GOOD["verl"]).encode()
    added, refused = imported(whole + b"\n" + content.replace(b"{", b"") + b"\n")
    # Without a brace no line is an object: each that is not blank is one refused row.
    blank = [not line.strip() for line in content.replace(b"{", b"").split(b"\n")]
    assert (added, refused) == (1, blank.count(False))
    assert isinstance(imported(content), str)


@SOME
@given(st.sampled_from(sorted(GOOD)), st.lists(st.tuples(NAMES, VALUES), max_size=3), st.booleans())
def test_any_values_in_the_rows_of_any_format(name, changes, first):
    rows = [GOOD[name], GOOD[name] | dict(changes)]
    found = imported("\n".join(json.dumps(row) for row in (rows[::-1] if first else rows)).encode(), name)
    if not isinstance(found, str):
        assert sum(found) >= 2 or name == "lm-eval"  # lines of another filter are neither


def test_reasons_are_counted_without_their_place():
    from counterpoise.files import Damage

    refused, path = Refused(), Path("a")
    for line in range(1, 13):
        refused.add(Damage(path=path, line=line, reason=f"not JSON: Expecting value: line 1 column {line} (char 0)"))
    refused.add(Damage(path=path, line=13, reason="the response is null"))
    assert (refused.total, len(refused.first), refused.of[path]) == (13, 10, 13)
    assert refused.why() == "not JSON: Expecting value (12); the response is null (1)"
    assert refused.why(1) == "not JSON: Expecting value (12); and others (1)"
    for line in range(200):
        refused.add(Damage(path=path, line=line, reason=f"reason {line}"))
    assert (len(refused.reasons), refused.reasons["other reasons"]) == (101, 102)  # 98 of 200 are kept by name
