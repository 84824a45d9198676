from counterpoise.report.metrics import PANELS, choose_panels


def test_every_column_is_drawn_once():
    declared = [name for panel in PANELS for name in panel.columns]
    assert len(declared) == len(set(declared))
    assert len({panel.key for panel in PANELS}) == len(PANELS)


def test_a_panel_keeps_the_columns_there_are():
    [panel] = choose_panels(["entropy_sampled_wrong"])
    assert (panel.key, panel.columns) == ("entropy", {"entropy_sampled_wrong": "wrong"})
    assert choose_panels([]) == []


def test_what_no_chart_names_has_the_unit_of_the_catalogue():
    panels = choose_panels(["peak_memory_gib", "success_rate/sums", "success_rate/toy", "drift"])
    assert [panel.unit for panel in panels] == ["GiB", "share", ""]


def test_columns_that_nobody_declared_stand_by_family():
    panels = choose_panels(
        ["reward", "drift_plus", "drift_minus", "speed/algebra", "speed/toy", "tail_p50", "tail_p99"]
    )
    assert [(p.title, list(p.columns), p.rank) for p in panels[1:]] == [
        ("drift", ["drift_plus", "drift_minus"], "folded"),
        ("speed by task type", ["speed/algebra", "speed/toy"], "folded"),
        ("tail", ["tail_p50", "tail_p99"], "folded"),
    ]


def test_kinds_and_parts_are_no_task_types():
    panels = choose_panels(["kind/k c+c", "kind/s b+c", "part/f1"])
    assert [(p.title, p.unit) for p in panels] == [
        ("Share of each kind among right responses", "share"),
        ("Graded parts", "share"),
    ]


def test_what_is_looked_at_first_stands_first():
    ranks = [panel.rank for panel in PANELS]
    assert [panel.key for panel in PANELS if panel.rank == "first"] == ["success", "entropy", "length", "truncated"]
    assert ranks == sorted(ranks, key=("first", "second", "folded").index)
