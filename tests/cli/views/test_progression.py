import io
from dataclasses import replace

import pytest
from rich.console import Console

from counterpoise.cli.views.progression import progression_table
from counterpoise.errors import DataError


@pytest.fixture
def results(tmp_path, fake):
    """Twenty problems at n = 64; the second result is better at every one but the first."""
    base = fake.run(tmp_path, fake.make_problems(20), 64)
    better = tuple(replace(problem, c=min(problem.n, 2 * problem.c)) for problem in base.counts)
    return [(0, base), (50, replace(base, counts=better))]


def shown(results):
    table = progression_table(results, title="pass@k")
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(table)
    lines = [line.split("│")[1:-1] for line in console.file.getvalue().splitlines() if line.startswith("│")]
    return table, [[cell.strip() for cell in line] for line in lines]


def test_a_row_for_each_step_and_differences_from_the_first(results):
    table, (base, after) = shown(results)
    headers = [str(column.header) for column in table.columns]
    # five of the seven k, evenly over the sweep
    assert headers == [
        "step", "pass@1 %", "pass@4 %", "pass@8 %", "pass@16 %", "pass@64 %", "area %",
        "pass@1 - base", "pass@64 - base", "area - base",
    ]  # fmt: skip
    assert (base[0], after[0], base[7:]) == ("base", "50", ["", "", ""])
    rates = [sum(p.c / p.n for p in result.counts) / 20 for _, result in results]
    assert (base[1], after[1]) == tuple(f"{100 * rate:.1f}" for rate in rates)
    assert after[7].startswith(f"{100 * (rates[1] - rates[0]):+.1f} [+")
    assert str(table.columns[7]._cells[1].style) == "green"
    assert after[8] == "+0.0 [+0.0, +0.0]"


def test_one_result_has_no_differences(results):
    table, [row] = shown(results[:1])
    assert len(table.columns) == len(row) == 7


def test_other_problems_are_refused(results):
    base = results[0][1]
    with pytest.raises(DataError, match="did not answer the same problems: 19 in common"):
        progression_table([(0, base), (5, replace(base, counts=base.counts[1:]))])
    with pytest.raises(DataError, match="no evaluation to show"):
        progression_table([])
