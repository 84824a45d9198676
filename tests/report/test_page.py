import json
import re
from html.parser import HTMLParser

import pytest

from counterpoise.errors import UnknownNameError
from counterpoise.report.build import build_report
from counterpoise.report.cards import make_cards
from counterpoise.report.page import render_page

HOSTILE = (
    '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>"\'&{{7*7}}\u2028\u202e\ud800\x00'
)


class Elements(HTMLParser):
    """Tags with their attributes, and the texts of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script":
            self.scripts.append(data)


@pytest.fixture
def page(make_run):
    def render(*names, **given):
        paths = [str(name if hasattr(name, "exists") else make_run(name)) for name in names]
        return render_page(build_report(paths, resamples=50), **given)

    return render


def test_nothing_is_loaded_from_anywhere(page, make_run, disk):
    text = page(make_run("a", records=disk.metrics(3), evaluations={0: disk.counts(1, 2), 3: disk.counts(3, 4)}))
    for tag, attributes in Elements(text).tags:
        assert not {"src", "srcset", "action"} & attributes.keys(), tag
        assert attributes.get("href", "#").startswith("#"), attributes
    policy = next(a["content"] for t, a in Elements(text).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "url(" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_hostile_text_stays_text(make_run, disk, page):
    path = make_run(
        "nsr",
        config={"credit": {"rule": HOSTILE.encode("utf-8", "replace").decode()}, "learner": {"steps": 2}},
        records=[{"step": 1, HOSTILE: 1.0, "reward": 0.5}],
        events=[{"kind": HOSTILE, "step": 1, "message": HOSTILE}],
        evaluations={1: disk.counts(1, 2)},
        samples=[
            disk.sample(problem=HOSTILE, tokens=[HOSTILE, "b"], question=HOSTILE, gold=HOSTILE, answer=HOSTILE),
            disk.sample(problem="p1", tokens=[HOSTILE], verdict=HOSTILE, stop_reason=HOSTILE),
            disk.sample(problem="p2", tokens=[HOSTILE], verdict="wrong", stop_reason=HOSTILE),
        ],
    )
    elements = Elements(page(path))
    scripts = [attributes for tag, attributes in elements.tags if tag == "script"]
    # the data, Plotly, and the page's own
    assert len(scripts) == 3 and [s.get("nonce") is not None for s in scripts] == [False, False, True]
    assert not [tag for tag, _ in elements.tags if tag == "img"]
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    assert "49" not in json.loads(elements.scripts[0])["runs"][0]["events"][0][1]
    assert HOSTILE.split("\u2028")[0] in json.loads(elements.scripts[0])["runs"][0]["events"][0][1]


def test_headings_labels_and_landmarks(make_run, disk, page):
    rows = disk.counts(1, 2) + disk.counts(3, first=2, task_type="algebra")
    path = make_run("a", records=disk.metrics(3), evaluations={0: rows, 3: rows}, samples=[disk.sample()])
    elements = Elements(page(path)).tags
    tags = [tag for tag, _ in elements]
    assert tags.count("h1") == tags.count("main") == tags.count("header") - tags.count("article") == 1
    assert elements[0] == ("html", {"lang": "en"})
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        for name in ("aria-labelledby", "aria-controls"):
            assert attributes.get(name, ids[0]) in ids
        if attributes.get("role") == "img":
            assert len(attributes["aria-label"]) > 20
    tabs = [attributes for _, attributes in elements if attributes.get("role") == "tab"]
    assert [t["aria-selected"] for t in tabs[:3]] == ["true", "false", "false"]
    assert [t.get("tabindex") for t in tabs[:3]] == [None, "-1", "-1"]


def test_the_table_marks_the_best_and_tells_differences(make_run, disk, page):
    base, better = disk.counts(*[4] * 30), disk.counts(*[8] * 30)
    text = page(make_run("a", evaluations={0: base, 3: better}))
    # pass@1 4/16 and 8/16 on every problem alike: +25.0 with an interval of no width
    assert "<td>25.0</td>" in text
    assert (
        '<td><b>50.0</b><span class="vh"> best</span><small class="up">▲ +25.0</small><small>[+25.0, +25.0]</small></td>'
        in text
    )


def test_a_card_compares_on_its_own_problems(make_run, disk, page):
    # pass@1: 4/16 to 8/16 on one task, 2/16 to 3/16 on another, and a run of the second that has no base.
    one, two = {"first": 0, "task": "toy:test"}, {"first": 100, "task": "other:test"}
    for name, (start, end), kind in (("a", (4, 8), one), ("b", (2, 3), two), ("c", (None, 5), two)):
        rows = {
            step: disk.counts(*[c] * 30, first=kind["first"]) for step, c in ((0, start), (3, end)) if c is not None
        }
        make_run(name, evaluations=rows, task=kind["task"])
    runs = make_run("a2", evaluations={0: disk.counts(*[4] * 30), 3: disk.counts(*[6] * 30)}).parent
    report = build_report([str(runs / name) for name in ("a", "b", "c", "a2")], resamples=50)
    cards, _ = make_cards(report)
    assert [(card.scores[0].value, card.scores[0].change, card.compared) for card in cards] == [
        ("50.0", "+25.0", "its own base"),
        ("18.8", "+6.2", "its own base"),
        ("31.2", "", ""),
        ("37.5", "+12.5", "its own base"),
    ]
    # another reference: where it has the run's problems
    cards, _ = make_cards(build_report([str(runs / name) for name in ("a", "b", "a2")], against="a", resamples=50))
    assert [(card.scores[0].change, card.compared) for card in cards] == [
        ("+25.0", "its own base"),
        ("+6.2", "its own base"),
        ("-12.5", "a"),
    ]


def test_a_card_has_the_change_its_interval_and_what_others_do_not_have(make_run, disk):
    rows = {0: disk.counts(*[4] * 30), 3: disk.counts(*[8] * 30)}
    runs = [make_run(rule, rule=rule, evaluations=rows) for rule in ("psr", "nsr")]
    cards, shared = make_cards(build_report([str(run) for run in runs], resamples=50))
    # of 16 rollouts 4 and 8 are right: 1 - C(12,2)/C(16,2) = 45.0 and 1 - C(8,2)/C(16,2) = 76.7 within two tries, the largest difference
    assert [(s.label, s.change, s.value, s.interval, s.sign) for s in cards[0].scores] == [
        ("pass@1", "+25.0", "50.0", "+25.0 to +25.0", "up"),
        ("pass@2", "+31.7", "76.7", "+31.7 to +31.7", "up"),
    ]
    assert shared == [("steps", "0 of 500")]
    assert [card.facts for card in cards] == [(("rule", "psr"),), (("rule", "nsr"),)]


def test_changed_lines_of_the_configuration_are_marked(page, make_run):
    text = page(make_run("a", rule="psr"), make_run("b", rule="nsr"))
    marked = re.findall(r'<span class="changed">(.*?)<span class="vh">', text)
    assert marked == ["rule = &#34;psr&#34;", "rule = &#34;nsr&#34;"]
    assert '<th scope="row">credit.rule</th><td class="words">psr</td><td class="words">nsr</td>' in text


def test_an_empty_run_and_a_file_of_counts(page, tmp_path, disk):
    disk.lines(tmp_path / "c.jsonl", [{"id": "a", "n": 4, "c": 2}, {"id": "b", "n": 4, "c": 4}])
    text = page("empty", tmp_path / "c.jsonl")
    assert "Not evaluated yet." in text and "it has no evaluation yet" in text
    assert "c goes from 75.0% at k=1 to 100.0% at k=4." in text


def test_published_curves_are_chosen_by_name(page):
    assert '"shown":"qwen3-4b:MATH"' in page("a", paper="qwen3-4b")
    with pytest.raises(UnknownNameError):
        page("b", paper="gpt")


def test_pauses_are_no_training_time(page, make_run, disk):
    # Two steps of 20 seconds each, the second one continued a night later; a step whose time was not finite adds nothing.
    records = disk.metrics(3)
    for record, began, took in zip(records, (0.0, 20.0, 36_020.0), (20.0, None, 20.0), strict=True):
        record |= {"time": 1.0e9 + began, "seconds": took}
    text = page(make_run("a", records=records))
    assert re.search(r"trained for.{0,80}?(\d[^<]*)<", text, re.DOTALL)[1].strip() == "0:40 min"
