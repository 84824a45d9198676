import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from counterpoise.cli.views.passk import comparison_table, passk_table
from counterpoise.errors import DataError
from counterpoise.evaluation.result_lines import result_lines
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.curve import pass_at_k_curve
from counterpoise.evaluation.summary import EvaluationResult


def shown(table):
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(table)
    return console.file.getvalue()


def cells(table, header):
    return [str(cell) for column in table.columns if str(column.header) == header for cell in column.cells]


def curve(rows, ks=(1, 2)):
    return pass_at_k_curve(rows, ks, generator=np.random.default_rng(0))


def rows(*triples):
    return tuple(ProblemCounts(problem_id=f"p{i}", n=n, c=c, unscored=u) for i, (n, c, u) in enumerate(triples))


def result(fake, counts, ks=(1, 2)):
    return EvaluationResult(
        manifest=fake.manifest(),
        n=4,
        verifiers={"toy": "1"},
        confidence=0.95,
        curve=curve(counts, ks),
        by_task_type={},
        counts=counts,
        rollouts=4 * len(counts),
        unscored=0,
        unscored_reasons={},
        truncation_rate=0.25,
        no_answer_rate=0.1,
        mean_tokens=12.34,
        distinct_answers=2.5,
    )


def test_one_run():
    table = passk_table(curve(rows((4, 1, 0), (4, 3, 0))), title="t [0]")
    assert cells(table, "pass@k %") == ["50.0", "75.0"]  # (1/4 + 3/4)/2 and (1/2 + 1)/2
    assert cells(table, "95% interval") == ["[25.0, 75.0]", "[50.0, 100.0]"]
    assert "t [0]" in shown(table)


def test_an_unknown_length_is_a_dash(fake):
    unknown = replace(result(fake, rows((4, 1, 0))), mean_tokens=float("nan"), truncation_rate=float("nan"))
    assert "4 rollouts, – tokens on average" in result_lines(unknown)[0]
    assert "cut off at the token limit –, no answer" in result_lines(unknown)[1]


def test_undefined_is_a_dash_with_its_reason():
    table = passk_table(curve(rows((2, 1, 0), (2, 0, 0)), (2, 4)))
    assert (cells(table, "pass@k %")[1], cells(table, "95% interval")[1]) == ("–", "–")
    assert "k=4: pass@4 needs 4 scored rollouts of a problem; the most any has is 2" in " ".join(shown(table).split())


def test_bounds_are_shown_when_something_is_unscored():
    assert cells(passk_table(curve(rows((2, 1, 2)), (1,))), "unscored wrong … right") == ["25.0 … 75.0"]  # 1/4 and 3/4
    assert cells(passk_table(curve(rows((2, 1, 0)), (1,))), "unscored wrong … right") == []


def test_two_runs(fake):
    base = result(fake, rows(*[(4, 1, 0)] * 6))
    after = result(fake, tuple(reversed(rows(*[(4, 2, 0)] * 6))))
    table = comparison_table(base, after, names=("base", "nsr"))
    assert (cells(table, "base %"), cells(table, "nsr %")) == (["25.0", "50.0"], ["50.0", "83.3"])
    assert cells(table, "difference") == ["+25.0", "+33.3"]  # 1 - C(2,2)/C(4,2) = 5/6 less 1/2
    assert cells(table, "95% interval") == ["[+25.0, +25.0]", "[+33.3, +33.3]"]
    assert "6 problems, n=4 and n=4" in shown(table)


@pytest.mark.parametrize(("before", "now", "style"), [(1, 3, "green"), (3, 1, "red"), (2, 2, "")])
def test_a_difference_that_leaves_out_zero_is_coloured(fake, before, now, style):
    table = comparison_table(result(fake, rows(*[(4, before, 0)] * 5)), result(fake, rows(*[(4, now, 0)] * 5)))
    assert next(iter(table.columns[3].cells)).style == style


def test_problems_left_out_of_the_difference_are_said(fake):
    after = result(fake, rows((1, 1, 3), (4, 2, 0), (4, 2, 0)))
    assert "k=2: 2 of 3 problems" in shown(comparison_table(result(fake, rows(*[(4, 1, 0)] * 3)), after))


def test_runs_that_cannot_be_compared_are_refused(fake):
    base = result(fake, rows((4, 1, 0), (4, 1, 0)))
    with pytest.raises(DataError, match="1 in common, 1 only in the base, 0 only in the other"):
        comparison_table(base, result(fake, rows((4, 1, 0))))
    with pytest.raises(
        DataError, match=r"no k in common: base has \[1, 2\], after has \[4\]; evaluate both at the same k"
    ):
        comparison_table(base, result(fake, base.counts, (4,)))


def test_what_belongs_beside_the_numbers(fake):
    plain = result(fake, rows((4, 1, 0)))
    assert result_lines(plain) == [
        "1 problem, n=4: 4 rollouts, 12.3 tokens on average",
        "cut off at the token limit 25.0%, no answer found 10.0%, 2.5 distinct answers a problem",
    ]
    assert result_lines(replace(plain, guess_floor={"1": 0.25}))[2] == "guess floor: k=1 25.0%"
    troubled = replace(plain, unscored=2, unscored_reasons={"timeout": 2}, damaged_lines=1, duplicates=3)
    assert result_lines(troubled)[2:] == [
        "unscored 2 of 4 rollouts, left out of n: timeout (2)",
        "store: 1 damaged line skipped, 3 duplicate draws not counted",
    ]
