"""`counterpoise eval URL URL …`: servers that share the work, and what becomes of it when some of them fail."""

import json
import time

import pytest

from counterpoise.endpoint import Failure
from counterpoise.rollouts.served.dialect import Ask
from counterpoise.rollouts.served.queue import WorkQueue

N = 24
SMALL = ("--per-request", 1, "--concurrency", 2)


@pytest.fixture
def other(others):
    """The second server."""
    [one] = others(1)
    return one


@pytest.fixture
def both(ask, server, other):
    """Evaluate with two servers."""

    def call(*arguments, out="out"):
        return ask(*arguments, out=out, urls=[server.url, other.url])

    return call


def errors(result):
    return [line.removeprefix("error: ") for line in result.stderr.splitlines() if line.startswith("error: ")]


def left_out(result):
    return [line for line in result.stderr.splitlines() if " is left out: " in line]


def drawn_by(*servers):
    return [sum(body.get("n", 1) for body in one.seen) for one in servers]


def test_two_servers_share_the_work_and_draw_what_one_would(both, ask, server, other, draws, tmp_path):
    assert ask("--n", N, out="whole").exit_code == 0
    server.seen.clear()
    server.mode = other.mode = "slow"
    result = both("--n", N, "--per-request", 2, "--concurrency", 2)
    assert result.exit_code == 0, result.output
    assert draws() == draws("whole") and len(draws()) == 4 * N
    mine, theirs = drawn_by(server, other)
    assert mine + theirs == 4 * N and min(mine, theirs) > 0  # nothing twice, and neither is idle
    assert "pass@k of tiny at 2 servers" in result.stdout
    assert all(f"prompts go to {one.url.split('/')[2]}" in result.stderr for one in (server, other))
    record = json.loads((tmp_path / "out" / "server.json").read_text())
    assert record["urls"] == sorted([server.url, other.url])
    assert not left_out(result)


def test_a_faster_server_does_more(both, server, other):
    other.mode = "slow"  # a tenth of a second for each
    assert both("--n", N, *SMALL).exit_code == 0
    mine, theirs = drawn_by(server, other)
    assert mine > 2 * theirs > 0


LATER = {
    "broken": "HTTP 500 Internal Server Error",
    "close": "connection failed (RemoteProtocolError)",
    "truncated": "connection failed (RemoteProtocolError)",
    "hang": "timeout: no reply within 4 s",
    "html": "bad reply: not the JSON of a chat completion",
    "unauthorised": "HTTP 401 Unauthorized",
    "busy": "HTTP 429 Too Many Requests",
}


@pytest.mark.parametrize("mode", LATER)
def test_of_a_server_that_dies_the_others_do_the_work(ask, server, others, draws, mode):
    dying, third = others(2)
    dying.mode = lambda body, number: "honest" if number <= 3 else mode
    slow = ["--timeout", 4] if mode == "hang" else []
    server.mode = third.mode = "slow"  # so that nobody has done it all before the dying one fails
    urls = [server.url, dying.url, third.url]
    # As many at a time as are too many failures in a row: the first wave is enough.
    result = ask("--n", 40, "--per-request", 2, "--concurrency", 8, *slow, urls=urls)
    assert result.exit_code == 0, result.output
    assert len(draws()) == 4 * 40
    [line] = left_out(result)
    assert line == f"{dying.url} is left out: {LATER[mode]}; what it was asked for goes to the 2 other servers"
    assert len(dying.seen) < 40 and min(drawn_by(server, third)) > 20
    assert {draw[1] for draw in draws()} == set(range(40))


@pytest.mark.parametrize("mode", ["broken", "hang", "garbage", "unauthorised"])
def test_a_server_that_never_draws_is_left_out(both, server, other, draws, mode):
    other.mode = mode
    result = both("--n", N, *SMALL, "--timeout", 4)  # enough for the honest one on a machine that has more to do
    assert result.exit_code == 0, result.output
    assert len(left_out(result)) == 1 and f"{other.url} is left out: " in left_out(result)[0]
    assert "goes to the other server" in left_out(result)[0]
    assert len(draws()) == 4 * N and len(other.seen) == 1


def test_what_hangs_at_one_server_is_done_by_another_that_was_done_long_ago(both, server, other, draws):
    other.mode = lambda body, number: "honest" if number == 1 else "hang"
    start = time.monotonic()
    # Without a second try at the server that hangs: it would be ten times as long.
    result = both("--n", 6, *SMALL, "--timeout", 4, "--retries", 9)
    assert result.exit_code == 0, result.output
    assert time.monotonic() - start < 25 and len(draws()) == 24
    assert "(timeout: no reply within 4 s), of which the other server drew what is lacking" in result.stderr


def test_one_that_is_not_there_is_left_out_and_none_that_is_there_is_an_error(ask, server, other, draws):
    nobody = "http://127.0.0.1:1/v1"
    result = ask("--n", N, urls=[nobody, server.url])
    assert result.exit_code == 0, result.output
    [line] = left_out(result)
    assert line.startswith(f"{nobody} is left out: connection failed")
    assert len(draws()) == 4 * N
    result = ask("--n", N, "--model", "tiny", urls=[nobody, "http://127.0.0.1:2/v1"], out="none")
    [error] = errors(result)
    assert result.exit_code == 1 and error.startswith(nobody) and error.endswith("(of 2 servers none answers)")
    server.close()
    assert ask("--n", N, "--model", "tiny", urls=[nobody, server.url]).exit_code == 0  # it has all: nobody is asked


def test_when_all_die_nothing_is_lost_and_the_same_command_goes_on(both, ask, server, other, draws):
    for one in (server, other):
        one.mode = lambda body, number: "honest" if number <= 6 else "broken"
    result = both("--n", N, *SMALL)
    [error] = errors(result)
    assert result.exit_code == 1 and error.startswith(f"{server.url}, {other.url}: HTTP 500")
    kept = draws()
    assert len(kept) == 12 and "12 of 96 rollouts are in out" in error
    for one in (server, other):
        one.mode = "honest"
        one.seen.clear()
    assert both("--n", N).exit_code == 0
    assert kept.items() <= draws().items() and sum(drawn_by(server, other)) == 4 * N - 12
    assert ask("--n", N, out="whole").exit_code == 0 and draws() == draws("whole")


def strict(server, reason):
    honest = server.honest

    def refusing(handler, body):
        if "3+1" in body["messages"][-1]["content"]:
            return server.json(handler, {"error": {"message": reason}}, 400)
        return honest(handler, body)

    server.honest = refusing


def test_a_prompt_that_one_server_refuses_another_may_take(both, server, other, draws):
    strict(other, "maximum context length is 8 tokens")
    result = both("--n", N, *SMALL)
    assert result.exit_code == 0, result.output
    assert len(draws()) == 4 * N and not left_out(result)
    assert (
        f"{other.url} failed for 1 problem (HTTP 400 Bad Request: maximum context length is 8 tokens), of which"
        in result.stderr
    )


def test_a_prompt_that_all_refuse_does_not_end_the_others(both, server, other, draws):
    for one in (server, other):
        strict(one, "maximum context length is 8 tokens")
    result = both("--n", N, *SMALL)
    [error] = errors(result)
    assert "maximum context length is 8 tokens for 1 problem; 72 of 96 rollouts are in out" in error
    assert result.exit_code == 1 and len(draws()) == 72


def test_each_server_is_spoken_to_in_its_own_dialect(both, ask, server, other, draws, tmp_path):
    assert ask("--n", N, out="whole").exit_code == 0
    server.seen.clear()
    other.refuses = {"n", "min_p"}
    result = both("--n", N, "--concurrency", 1)
    assert result.exit_code == 0 and draws() == draws("whole")
    host = other.url.split("/")[2]
    assert f"{host}: the server takes no n: one response is asked for at a time" in result.stderr
    assert all("min_p" in body for body in server.seen) and max(body.get("n", 1) for body in server.seen) > 1
    assert all("min_p" not in body and "n" not in body for body in other.seen[1:])
    assert json.loads((tmp_path / "out" / "server.json").read_text())["refused"] == ["min_p", "n"]


def test_more_servers_go_on_with_what_one_began(both, ask, server, other, draws):
    assert ask("--n", 5).exit_code == 0
    first = draws()
    server.seen.clear()
    assert both("--n", N).exit_code == 0
    assert first.items() <= draws().items() and sum(drawn_by(server, other)) == 4 * (N - 5)


def rooted(server, root):
    def listing(handler):
        server.json(handler, {"data": [{"id": name, "root": root} for name in server.models]})

    server.list_models = listing


def test_all_must_have_the_same_model(both, server, other, tmp_path):
    other.models = ["large"]
    result = both("--n", 1)
    assert result.exit_code == 2
    assert errors(result) == [
        f"{server.url} has 'tiny' and {other.url} 'large'; all servers of an evaluation must have the same model"
    ]
    result = both("--n", 1, "--model", "tiny")
    assert result.exit_code == 2
    assert f"{server.url} has 'tiny' and {other.url} does not: it lists large; all servers" in errors(result)[0]
    other.models = ["tiny"]
    for one, root in ((server, "/models/step-100"), (other, "/models/step-200")):
        rooted(one, root)
    result = both("--n", 1)
    assert result.exit_code == 2
    assert errors(result)[0].startswith(
        f"'tiny' was read from /models/step-100 at {server.url} and from /models/step-200 at {other.url}; all servers"
    )
    assert not server.seen and not other.seen and not (tmp_path / "out").exists()
    rooted(other, "/models/step-100")
    assert both("--n", 1).exit_code == 0
    rooted(other, ["nonsense"])
    assert both("--n", 2).exit_code == 0


def test_one_that_lists_nothing_is_taken_at_the_name(both, server, other):
    other.models = None
    result = both("--n", 1)
    assert result.exit_code == 2 and f"{other.url} does not list its models" in errors(result)[0]
    assert both("--n", 8, "--model", "tiny", *SMALL).exit_code == 0
    assert other.seen and {body["model"] for body in other.seen} == {"tiny"}


@pytest.mark.parametrize(
    ("urls", "options", "says"),
    [
        (
            ["http://h/v1", "http://h/v1/"],
            [],
            "http://h/v1 is given twice; for more requests at a time there is --concurrency",
        ),
        (["http://a/v1,http://b/v1"], [], "give several servers with a space between: http://a/v1 http://b/v1"),
        (["http://a/v1", "http://b/v1/completions"], [], "http://b/v1/completions: give the base address, http://b/v1"),
        (["http://a/v1", "http://b/v1?key=1"], [], "expected a base address"),
        (["http://a/v1", "http://b/v1"], ["--step", 3], "--step chooses a checkpoint of a run"),
        (["lab", "http://b/v1"], [], "http://b/v1"),
    ],
)
def test_a_mistake_is_named_before_anybody_is_asked(command, urls, options, says):
    result = command("eval", *urls, "--task", "countdown", *options)
    assert result.exit_code == 2
    assert len(errors(result)) == 1 and says in errors(result)[0]


def test_a_queue_gives_each_what_it_can_have():
    asks = [Ask(problem_id=name, messages=None, text=name) for name in ("a", "b")]
    failed = {0: {}, 1: {}}
    queue = WorkQueue([(asks[0], [0, 1, 2, 5]), (asks[1], [0])], failed)
    first = queue.take(0, 2)
    assert (first.ask.problem_id, first.samples) == ("a", (0, 1))
    failed[0]["a"] = Failure(reason="too long", passing=False)
    queue.put_back(first)
    assert queue.take(0, 9).ask.problem_id == "b"
    assert [queue.take(1, 9).samples for _ in range(3)] == [(0, 1), (2,), (5,)]
    assert queue.take(1, 9) is None and not queue
    queue.put_back(first, [1])
    failed[1]["a"] = Failure(reason="gone", passing=True)
    assert queue.take(1, 9) is None
    assert not queue and queue.lost == {"a": failed[1]["a"]}


def test_what_was_handed_over_in_vain_comes_back_as_often_as_a_request_is_tried_again():
    ask = Ask(problem_id="a", messages=None, text="a")
    slow, gone = Failure(reason="timeout", passing=True, handed_over=True), Failure(reason="gone", passing=True)
    failed = {0: {}, 1: {}}
    queue = WorkQueue([(ask, [0])], failed, retries=1)
    work = queue.take(0, 9)
    failed[0]["a"] = slow
    queue.put_back(work)
    assert queue.take(0, 9) is None and queue.take(1, 9) == work
    failed[1]["a"] = gone
    queue.put_back(work)
    assert queue.take(1, 9) is None and queue.take(0, 9) == work
    failed[0]["a"] = slow
    queue.put_back(work)
    assert queue.take(0, 9) is None and queue.lost == {"a": slow}


def test_what_is_left_of_a_queue_is_lost_with_a_reason():
    ask, failure = Ask(problem_id="a", messages=None, text="a"), Failure(reason="gone", passing=True)
    queue = WorkQueue([(ask, [0])], {0: {"a": failure}, 1: {}})
    queue.leave(0)
    assert queue.takers == 1
    queue.close(failure)
    assert queue.lost == {"a": failure}
