"""`counterpoise eval URL` against a server whose responses are known: the sum for an even seed, one more for an odd one."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise

import pytest

from counterpoise.evaluation.store.rollouts import RolloutStore
from counterpoise.jobs import served

N = 20


def errors(result):
    return [line.removeprefix("error: ") for line in result.stderr.splitlines() if line.startswith("error: ")]


def counts(folder):
    return [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]


def asked(body):
    return {key: value for key, value in body.items() if key not in ("messages", "prompt", "seed")}


def test_pass_at_k_of_a_served_model(ask, server, draws, tmp_path):
    result = ask("--n", N)
    assert result.exit_code == 0, result.output
    assert [(line["n"], line["c"]) for line in counts(tmp_path / "out")] == [(N, N // 2)] * 4
    assert len(draws()) == 4 * N
    assert f"pass@k of tiny at {server.url.split('/')[2]}" in result.stdout
    assert "prompts go to 127.0.0.1:" in result.stderr and "without a key" in result.stderr
    assert len(server.seen) == 4 * 3  # 8 + 8 + 4


def test_the_manifest_says_how_it_was_drawn(ask, server, tmp_path):
    settings = ["evaluation.temperature=0.7", "evaluation.top_p=0.8", "evaluation.top_k=20", "evaluation.max_tokens=99"]
    assert ask("--n", 2, *settings, 'rollout.stop=["\\n\\n"]').exit_code == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["settings"] == {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "max_tokens": 99, "stop": ["\n\n"]}
    assert (manifest["model"], manifest["sampler"], manifest["template"]) == ("tiny", "server", "step_by_step_chat")
    assert asked(server.seen[0]) == {
        "model": "tiny",
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 20,
        "max_tokens": 99,
        "stop": ["\n\n"],
        "include_stop_str_in_output": True,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "logprobs": True,
        "n": 2,
    }
    assert json.loads((tmp_path / "out" / "server.json").read_text()) == {
        "urls": [server.url],
        "answered_as": ["tiny"],
        "refused": [],
    }


@pytest.mark.parametrize(
    ("template", "path", "field", "content"),
    [
        ("chat", "/v1/chat/completions", "messages", [{"role": "user", "content": "2+1"}]),
        ("plain", "/v1/completions", "prompt", "2+1\n"),
    ],
)
def test_the_template_chooses_the_endpoint(ask, server, template, path, field, content):
    assert ask("--n", 1, f"prompt.template={template}").exit_code == 0
    assert set(server.paths) == {path}
    assert content in [body[field] for body in server.seen]
    assert "n" not in server.seen[0] and server.seen[0]["logprobs"] in (True, 1)
    assert "add_special_tokens" not in server.seen[0]


def test_a_template_that_spells_its_special_tokens_out_gets_no_others(ask, server):
    assert ask("--n", 1, "prompt.template=paper_llama3.1").exit_code == 0
    assert server.seen[0]["add_special_tokens"] is False
    assert server.seen[0]["prompt"].startswith("<|begin_of_text|>")


@pytest.mark.parametrize(
    ("refuses", "names", "most"),
    [
        ({"n"}, True, 99),
        ({"n"}, False, 99),
        (set(), True, 1),
        (set(), True, 3),
        ({"logprobs"}, True, 99),
        ({"logprobs"}, False, 99),
        ({"top_k", "min_p", "repetition_penalty"}, True, 99),
        ({"top_k", "min_p", "repetition_penalty", "n"}, False, 99),
        ({"top_k", "min_p", "repetition_penalty", "logprobs", "n"}, True, 3),
    ],
)
def test_what_a_server_does_not_take_is_given_up_and_the_draws_are_the_same(ask, server, draws, refuses, names, most):
    assert ask("--n", N, out="whole").exit_code == 0
    server.seen.clear()
    server.refuses, server.names, server.most = refuses, names, most
    result = ask("--n", N)
    assert result.exit_code == 0, result.stderr
    assert draws() == draws("whole")
    told = [line for line in result.stderr.splitlines() if line.startswith("the server takes no ")]
    assert {line.split()[4].rstrip(":") for line in told} == refuses
    if most < 8:
        size = 1 if "n" in refuses else most
        assert ("n" in refuses) != (f"the server gave {most} of 8 responses that were asked" in result.stderr)
        assert {body.get("n", 1) for body in server.seen[20:]} <= {size, N % size or size}


def test_without_a_seed_the_server_draws_as_it_likes(ask, server, draws):
    server.refuses = {"seed"}
    result = ask("--n", 4)
    assert result.exit_code == 0 and "the server takes no seed: the draws have no seed" in result.stderr
    assert len(draws()) == 16


@pytest.mark.parametrize(
    ("refuses", "setting"),
    [
        ({"temperature"}, "evaluation.temperature=0.6"),
        ({"top_p"}, "evaluation.top_p=0.9"),
        ({"top_k"}, "evaluation.top_k=20"),
        ({"stop"}, 'rollout.stop=["x"]'),
    ],
)
def test_what_the_manifest_says_is_never_given_up(ask, server, tmp_path, refuses, setting):
    server.refuses = refuses
    result = ask("--n", 4, setting)
    assert result.exit_code == 1
    [error] = errors(result)
    assert f"Unrecognized request arguments supplied: {next(iter(refuses))}; nothing was drawn" in error
    assert not (tmp_path / "out").exists()


def test_a_limit_of_another_name(ask, server, monkeypatch):
    honest = server.honest

    def renamed(handler, body):
        if "max_tokens" in body:
            message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return server.json(handler, {"error": {"message": message, "param": "max_tokens"}}, 400)
        return honest(handler, body)

    monkeypatch.setattr(server, "honest", renamed)
    assert ask("--n", 4, "evaluation.max_tokens=99").exit_code == 0
    assert server.seen[-1]["max_completion_tokens"] == 99


def test_more_choices_than_asked_for_are_left_out(ask, server, draws):
    server.change = lambda reply: {**reply, "choices": reply["choices"] * 2}
    result = ask("--n", 4)
    assert "the server gave 8 for 4 responses asked for; what is too many is left out" in result.stderr
    assert len(draws()) == 16


def test_a_choice_that_cannot_be_read_is_asked_for_again_under_its_own_seed(ask, server, draws):
    assert ask("--n", N, out="whole").exit_code == 0
    server.change = lambda reply: (
        {**reply, "choices": [{"index": 0}, *reply["choices"][1:]]} if len(reply["choices"]) > 1 else reply
    )
    assert ask("--n", N).exit_code == 0
    assert draws() == draws("whole")


HOSTILE = {
    "unauthorised": "HTTP 401 Unauthorized: bad key None; nothing was drawn; the key is read from the environment variable OPENAI_API_KEY",
    "busy": "HTTP 429 Too Many Requests: slow down; nothing was drawn; ask for less at a time with --concurrency",
    "later": "HTTP 503 Service Unavailable; nothing was drawn",
    "broken": "HTTP 500 Internal Server Error: oops; nothing was drawn",
    "gateway": "HTTP 502 Bad Gateway; nothing was drawn",
    "odd_status": "HTTP 299",
    "redirect": "HTTP 307 Temporary Redirect; nothing was drawn",
    "html": "bad reply: not the JSON of a chat completion; nothing was drawn",
    "nested": "bad reply: not the JSON of a chat completion",
    "bytes": "bad reply: not the JSON of a chat completion",
    "no_choices": "bad reply: no choices; nothing was drawn",
    "no_text": "bad reply: a choice has no message.content; nothing was drawn",
    "huge": "bad reply: longer than 2 mebibytes; nothing was drawn",
    "truncated": "connection failed (RemoteProtocolError); nothing was drawn",
    "garbage": "connection failed (RemoteProtocolError)",
    "close": "connection failed (RemoteProtocolError)",
    "hang": "timeout: no reply within 0.3 s; nothing was drawn; give it longer with --timeout, or ask for less at a time",
    "drip": "timeout: no reply within 0.3 s",
    "drip_headers": "timeout: no reply within 0.3 s",
}


@pytest.mark.parametrize("mode", HOSTILE)
def test_a_server_that_never_answers_is_one_line_and_leaves_nothing_behind(ask, server, tmp_path, mode):
    server.mode = mode
    slow = ["--timeout", 0.3] if HOSTILE[mode].startswith("timeout") else []
    result = ask("--n", 8, "evaluation.max_tokens=128", *slow)
    [error] = errors(result)
    assert error.startswith(f"{server.url}: {HOSTILE[mode]}")
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", HOSTILE)
def test_a_server_that_fails_later_loses_nothing(ask, server, draws, mode):
    slow = ["--timeout", 0.3] if HOSTILE[mode].startswith("timeout") else []
    server.mode = lambda body, number: "honest" if number <= 5 else mode
    result = ask("--n", N, "evaluation.max_tokens=128", "--concurrency", 2, *slow)
    [error] = errors(result)
    assert result.exit_code == 1
    kept = draws()
    assert 32 <= len(kept) <= 40 and f"; {len(kept)} of 80 rollouts are in out" in error
    assert error.endswith("the same command goes on from there, and counterpoise grade out judges what there is")
    server.mode, before = "honest", len(server.seen)
    result = ask("--n", N, "evaluation.max_tokens=128")
    assert result.exit_code == 0, result.stderr
    whole = draws()
    assert len(whole) == 80 and kept.items() <= whole.items()
    assert sum(body.get("n", 1) for body in server.seen[before:]) == 80 - len(kept)


def test_what_is_there_can_be_graded(ask, server, command):
    server.mode = lambda body, number: "honest" if number <= 5 else "broken"
    assert ask("--n", N, "--concurrency", 2).exit_code == 1
    result = command("grade", "out")
    assert result.exit_code == 0, result.output
    assert "judged by exact" in result.stdout


def test_a_server_that_is_down_for_good_is_given_up(ask, server):
    server.mode = lambda body, number: "honest" if number <= 2 else "broken"
    assert ask("--n", 64, "--per-request", 1, "--concurrency", 2).exit_code == 1
    assert len(server.seen) < 40  # of 256


def test_a_storm_passes(ask, server, draws):
    storm = ("honest", "busy", "honest", "broken", "honest", "close")
    server.mode = lambda body, number: storm[number % 6]
    result = ask("--n", 8, "--retries", 8)
    assert result.exit_code == 0, result.stderr
    assert len(draws()) == 32 and len(server.seen) > 5


def test_the_server_is_left_alone_as_long_as_it_asks(ask, server):
    moments = []

    def answer(body, number):
        moments.append(time.monotonic())
        return "wait" if number == 3 else "honest"

    server.do_wait = lambda handler: server.send(handler, 429, b"", Retry_After="1")
    server.mode = answer
    assert ask("--n", N, "--retries", 1, "--concurrency", 1).exit_code == 0
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps[2] >= 1.0


def test_so_many_requests_at_a_time(ask, server):
    server.mode = "slow"
    assert ask("--n", 16, "--concurrency", 3, "--per-request", 4).exit_code == 0
    assert 2 <= server.most_active <= 3
    assert {body["n"] for body in server.seen} == {4}


def test_a_prompt_that_the_server_refuses_does_not_end_the_others(ask, server, draws):
    honest = server.honest

    def strict(handler, body):
        if "3+1" in body["messages"][-1]["content"]:
            message = "This model's maximum context length is 8 tokens. However, you requested 9 (max_tokens)."
            return server.json(handler, {"error": {"message": message}}, 400)
        return honest(handler, body)

    server.honest = strict
    result = ask("--n", N)
    [error] = errors(result)
    assert "maximum context length is 8 tokens" in error and "for 1 problem; 60 of 80 rollouts are in out" in error
    assert result.exit_code == 1 and len(draws()) == 60
    assert "takes no" not in result.stderr


def test_more_draws_add_to_what_is_there_and_a_finished_evaluation_asks_nobody(ask, server, draws):
    ask("--n", 5)
    first, before = draws(), len(server.seen)
    assert ask("--n", N).exit_code == 0
    assert first.items() <= draws().items() and len(draws()) == 80
    assert sum(body.get("n", 1) for body in server.seen[before:]) == 60
    ask("--n", N, out="whole")
    assert draws() == draws("whole")
    server.close()
    assert ask("--n", N, "--model", "tiny").exit_code == 0


def test_a_sweep_asks_for_each_setting_and_goes_on_where_the_server_failed(ask, server, draws, tmp_path):
    server.refuses = {"top_k"}
    failed = ask("--n", 4, "--sweep", "temperature=0.2,0.9", "--sweep", "top_k=0,7", out="s")
    assert failed.exit_code == 1 and "top_k" in errors(failed)[0]
    before = {body["temperature"] for body in server.seen}
    assert before == {0.2}  # the second setting is the one that the server cannot do
    server.refuses = set()
    done = ask("--n", 4, "--sweep", "temperature=0.2,0.9", "--sweep", "top_k=0,7", "--json", out="s")
    assert done.exit_code == 0, done.stderr
    assert [one["reused"] for one in json.loads(done.stdout)["settings"]] == [True, False, False, False]
    (folder,) = (tmp_path / "s").glob("t0.9-p0.95-k7-m*")
    assert len(draws(folder)) == 16
    server.close()
    again = ask("--n", 4, "--sweep", "temperature=0.2,0.9", "--model", "tiny", out="s")
    assert again.exit_code == 0 and "temperature=0.9" in again.stdout


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--model", "other"], "model is 'tiny' there and 'other' here"),
        (["evaluation.temperature=0.9"], "settings.temperature is 0.6 there and 0.9 here"),
        (["evaluation.top_k=5"], "settings.top_k is 0 there and 5 here"),
        (["--seed", 1], "seed is 0 there and 1 here"),
        (["prompt.template=chat"], "template is 'step_by_step_chat' there and 'chat' here"),
    ],
)
def test_a_store_takes_no_other_draws(ask, server, change, says):
    assert ask("--n", 2).exit_code == 0
    before = len(server.seen)
    result = ask("--n", 4, *change)
    assert result.exit_code == 1 and says in errors(result)[0]
    assert len(server.seen) == before


def test_a_local_evaluation_is_another(ask, command, server, sums, tmp_path):
    assert ask("--n", 2).exit_code == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    del manifest["sampler"]
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    assert "sampler is None there and 'server' here" in errors(ask("--n", 2))[0]


def test_the_other_commands_read_it(ask, command, draws, tmp_path):
    for seed, out in ((0, "a"), (1, "b")):
        assert ask("--n", 8, "--seed", seed, out=out).exit_code == 0
    for call in (
        ("grade", "a", "--verifier", "numeric"),
        ("passk", "a/problems.jsonl", "--k", "1,4"),
        ("compare", "a", "b"),
        ("report", "a", "b", "-o", "report.html"),
        ("export", "a", "-o", "rows.jsonl"),
        ("merge", "both", "a", "b"),
        ("grade", "both"),
    ):
        result = command(*call)
        assert result.exit_code == 0, (call, result.output)
    assert len(draws("both")) == 64
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_text_of_the_server_is_text(ask, server, tmp_path):
    evil = "\x1b[2J\u202e[bold]3\ud800"
    server.extra = {"message": {"content": evil}, "finish_reason": "\x1b[31mweird" * 9}
    server.models = ["tiny", "\x1b[2Jother"]
    result = ask("--n", 4, "--model", "tiny")
    assert result.exit_code == 0
    assert "\x1b" not in result.output and "\u202e" not in result.output
    assert {r.text for r in RolloutStore(tmp_path / "out").rollouts()} == {"\x1b[2J\u202e[bold]3?"}
    assert {r.stop_reason for r in RolloutStore(tmp_path / "out").rollouts()} == {None}


def test_a_server_that_always_says_the_same_is_called_odd(ask, server):
    assert "are the same" not in ask("--n", 8).stderr
    server.extra = {"message": {"content": "3"}}
    result = ask("--n", 8, out="same")
    assert (
        "all responses to the same problem are the same, for each of 4 problems: the server decodes greedily"
        in result.stderr
    )


def test_thoughts_that_the_chat_format_opens_are_told(ask, server):
    server.change = lambda reply: {
        **reply,
        "choices": [
            {"message": {"content": "so it is 3"}, "finish_reason": "length"},
            *({"message": {"content": "hm</think>3"}, "finish_reason": "stop"} for _ in reply["choices"][1:]),
        ],
    }
    result = ask("--n", 4)
    assert "12 responses close a thought that the server's chat format opened, and 4 were cut off" in result.stderr


def test_the_key_is_sent_and_shown_nowhere(ask, server, monkeypatch, tmp_path):
    monkeypatch.setenv("MY_API_KEY", "sk-secret-123")
    result = ask("--n", 2, "--key-variable", "MY_API_KEY")
    assert result.exit_code == 0 and "with the key in MY_API_KEY" in result.stderr
    assert set(server.keys) == {"Bearer sk-secret-123"}
    server.mode = "unauthorised"
    refused = ask("--n", 4, "--key-variable", "MY_API_KEY")
    assert "bad key Bearer …" in errors(refused)[0]
    files = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert "secret" not in result.output + refused.output and b"secret" not in files


def test_the_model_is_the_one_that_the_server_lists(ask, server):
    server.models = ["a", "b"]
    result = ask("--n", 1)
    assert result.exit_code == 2 and errors(result) == [f"{server.url} lists a, b; name one: --model NAME"]
    server.models = None
    result = ask("--n", 1)
    assert result.exit_code == 2 and "does not list its models (HTTP 404 Not Found); name one" in errors(result)[0]
    assert ask("--n", 1, "--model", "any").exit_code == 0
    assert {body["model"] for body in server.seen} == {"any"}


def test_a_model_that_is_not_there(ask, server, tmp_path):
    server.models = ["tiny", "large"]
    result = ask("--n", 1, "--model", "tinny")
    assert result.exit_code == 2
    assert errors(result) == [
        f"{server.url} refuses the model 'tinny' (HTTP 404 Not Found: The model `tinny` does not exist.) and does not list it; "
        "it lists tiny, large; did you mean 'tiny'?"
    ]
    assert not (tmp_path / "out").exists()


def test_nobody_is_there(command, sums):
    call = ["--task", "jsonl", f"tasks.test={sums}", "tasks.settings.verifier=exact", "--model", "m"]
    result = command("eval", "http://127.0.0.1:1/v1", *call)
    assert result.exit_code == 1
    assert errors(result)[0].endswith("; start the server, or correct the address")


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("http://h/v1", [], "http://h/v1 is a server, so a task is needed"),
        ("http://h/v1", ["--task", "countdwn"], "unknown task 'countdwn'"),
        ("http://h/v1/chat/completions", ["--task", "countdown"], "give the base address, http://h/v1"),
        ("http://me:pw@h/v1", ["--task", "countdown"], "url holds a user name or password"),
        ("http://h/v1?key=1", ["--task", "countdown"], "expected a base address"),
        ("http://h:port/v1", ["--task", "countdown"], "expected a base address"),
        (
            "http://h/v1",
            ["--task", "countdown", "--step", 3],
            "--step chooses a checkpoint of a run, and http://h/v1 is",
        ),
        (
            "http://h/v1",
            ["--task", "countdown", "--per-request", 0],
            "per_request = 0; expected an integer in [1, 1024]",
        ),
        ("http://h/v1", ["--task", "countdown", "--timeout", 0], "timeout = 0"),
        (
            "http://h/v1",
            ["--task", "countdown", "--key-variable", "HOME"],
            "key_variable = 'HOME'; its value would be sent to h",
        ),
        (
            "http://h/v1",
            ["--task", "countdown", "model.dtype=auto"],
            "model.dtype: the model and its tokenizer are with the server",
        ),
        (
            "http://h/v1",
            ["--task", "countdown", "prompt.max_tokens=9"],
            "prompt.max_tokens: the model and its tokenizer",
        ),
        ("http://h/v1", ["--task", "countdown", "evaluation.temperature=0"], "temperature=0 is greedy"),
        ("lab", ["--task", "countdown", "--concurrency", 3], "--concurrency is of a server, and lab is not an address"),
        ("lab", ["--task", "countdown", "--model", "m"], "--model is of a server"),
    ],
)
def test_a_mistake_is_named_before_anybody_is_asked(command, url, options, says):
    result = command("eval", url, *options)
    assert result.exit_code == 2
    assert len(errors(result)) == 1 and says in errors(result)[0]


def test_a_full_disk_ends_it_and_what_is_written_stays(ask, server, draws, monkeypatch):
    from counterpoise.errors import StoreError

    appended = []

    class Full(served.RolloutStore):
        def append(self, rollouts):
            if len(appended) == 3:
                raise StoreError("cannot write: No space left on device")
            appended.append(len(rollouts))
            return super().append(rollouts)

    monkeypatch.setattr(served, "RolloutStore", Full)
    result = ask("--n", N)
    assert result.exit_code == 1 and errors(result) == ["cannot write: No space left on device"]
    assert len(draws()) == sum(appended)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_an_interrupted_evaluation_goes_on(ask, server, draws, sums, tmp_path, number, code):
    server.mode = "slow"
    task = ["--task", "jsonl", f"tasks.test={sums}", "tasks.settings.verifier=exact", "--n", str(N), "--out", "out"]
    call = [sys.executable, "-m", "counterpoise", "eval", server.url, *task, "--per-request", "1", "--concurrency", "2"]
    # What started the tests may ignore an interrupt, as a shell has its background jobs do, and children inherit that.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(call, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as process:
        while len(server.seen) < 8:
            time.sleep(0.01)
        process.send_signal(number)
        stderr = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert "Traceback" not in stderr
    kept = draws()
    assert 0 < len(kept) < 40
    server.mode = "honest"
    assert ask("--n", N).exit_code == 0
    ask("--n", N, out="whole")
    assert kept.items() <= draws().items() and draws() == draws("whole")
    [grader] = json.loads((tmp_path / "out" / "passk.json").read_text())["verifiers"].items()
    assert sum(1 for _ in RolloutStore(tmp_path / "out").verdicts(*grader)) == 4 * N


SCRIPT = """
import sys
from typer.testing import CliRunner
from counterpoise.cli.app import app
result = CliRunner().invoke(app, sys.argv[1:])
print(result.exit_code, [name for name in ("torch", "transformers", "accelerate") if name in sys.modules])
"""


def test_it_imports_no_torch(server, sums, tmp_path):
    task = ["--task", "jsonl", f"tasks.test={sums}", "tasks.settings.verifier=exact", "--n", "4"]
    call = [sys.executable, "-c", SCRIPT, "eval", server.url, *task]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, env=os.environ, check=True)
    assert done.stdout == "0 []\n"
    assert (tmp_path / "runs" / "served-tiny-jsonl" / "passk.json").is_file()


def test_a_prompt_of_ones_own_is_sent_as_it_is(ask, server, tmp_path):
    words = ["prompt.template=chat", "prompt.system=Be brief.", "prompt.chat_arguments={enable_thinking = false}"]
    assert ask("--n", 1, *words, out="chat").exit_code == 0
    assert server.seen[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert server.seen[0]["chat_template_kwargs"] == {"enable_thinking": False}
    text = ["prompt.text=Q: {question} A:", "prompt.response_prefix=It is:"]
    assert ask("--n", 1, *text, out="text").exit_code == 0
    assert "Q: 2+1 A:It is:" in [body.get("prompt") for body in server.seen]
    assert {r.text[:6] for r in RolloutStore(tmp_path / "text").rollouts()} == {"It is:"}
    refused = ask("--n", 1, "prompt.template=chat", "prompt.response_prefix=It", out="no")
    assert refused.exit_code == 2 and "prompt.response_prefix ends a text" in errors(refused)[0]
    server.refuses = {"chat_template_kwargs"}
    assert "supplied: chat_template_kwargs; nothing was drawn" in errors(ask("--n", 1, *words, out="no"))[0]


def test_the_same_model_at_another_address_goes_on_and_is_told(ask, server, tmp_path):
    assert ask("--n", 2).exit_code == 0
    record = tmp_path / "out" / "server.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "urls": ["http://10.0.0.7:8000/v1", 5]}))
    result = ask("--n", 4)
    assert result.exit_code == 0
    assert (
        "other rollouts here came from http://10.0.0.7:8000/v1: the same name is taken for the same model"
        in result.stderr
    )
    assert json.loads(record.read_text())["urls"] == sorted(["http://10.0.0.7:8000/v1", server.url])
    record.write_text("{damaged")
    assert ask("--n", 5).exit_code == 0
    before = record.read_text()
    server.mode = "broken"
    assert ask("--n", 6).exit_code == 1
    assert record.read_text() == before
