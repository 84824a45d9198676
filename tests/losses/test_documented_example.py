from pathlib import Path


def test_the_example_of_the_objectives_page_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "objectives.md"
    (program,) = [part.split("```")[0] for part in page.read_text(encoding="utf-8").split("```python\n")[1:]]
    names: dict[str, object] = {}
    exec(compile(program, str(page), "exec"), names)
    assert names["credit"].advantages.tolist() == [0.10000000149011612, -1.0, -1.0, 0.10000000149011612]
    # at R = 1 the loss is -mean(A) over equally long rows: -(0.1 - 1 - 1 + 0.1) / 4
    assert abs(float(names["loss"].detach()) - 0.45) < 1e-7
