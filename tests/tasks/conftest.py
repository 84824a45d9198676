"""One judge for the self-checks of all tasks: its worker imports computer algebra once."""

import pytest

from counterpoise.tasks.selfcheck import selfcheck
from counterpoise.verifiers.judge import Judge


@pytest.fixture(scope="session")
def judge():
    with Judge(timeout=30.0) as made:
        yield made


@pytest.fixture(scope="session")
def self_check(judge):
    """`self_check(problems, task="gsm8k")`: the report of the judge's verdicts."""

    def check(problems, **options):
        return selfcheck(problems, lambda items: judge.verify([p for p, _ in items], [r for _, r in items]), **options)

    return check
