"""`counterpoise eval` of what `vllm serve` has: the real server, on a tiny model that this test makes."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

SERVE = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
EVAL = [sys.executable, "-m", "counterpoise", "eval"]


def test_what_vllm_serves_is_evaluated_and_goes_on(policy, tmp_path):
    model, tokenizer = policy
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--model", "model", "--served-model-name", "tiny", "--port", str(port), "--host", "127.0.0.1"]
    options += ["--dtype", "float32", "--max-model-len", "64", "--enforce-eager", "--max-num-seqs", "8"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}
    started = {"stdout": (tmp_path / "log").open("w"), "stderr": subprocess.STDOUT, "env": environment, "cwd": tmp_path}
    with started["stdout"], subprocess.Popen([*SERVE, *options], **started) as server:
        try:
            first = evaluated(server, port, tmp_path, n=3)
            again = evaluated(server, port, tmp_path, n=5)
        finally:
            server.terminate()
    lines = (tmp_path / "served" / "rollouts.jsonl").read_text().splitlines()
    draws = {(draw["problem_id"], draw["sample"]): draw for draw in map(json.loads, lines)}
    assert (first["n"], again["n"]) == (3, 5) and len(draws) == len(lines) == 4 * 5  # what there was is not drawn again
    assert all(1 <= draw["tokens"] <= 6 for draw in draws.values())
    assert len({draw["text"] for draw in draws.values()}) > 6


def evaluated(server, port, folder, *, n):
    """What `eval --json` says of so many tries at four problems, once the server answers."""
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            break
        except OSError:
            assert server.poll() is None, (folder / "log").read_text()[-3000:]
            time.sleep(0.2)
    settings = ["tasks.settings.count=2", "tasks.settings.largest=6", "evaluation.max_tokens=6"]
    settings += ["evaluation.temperature=1.0", "evaluation.top_p=1.0"]
    asked = ["--model", "tiny", "--task", "countdown", "--problems", "4", "--n", str(n), "--out", "served", "--json"]
    call = [*EVAL, f"http://127.0.0.1:{port}/v1", *asked, *settings]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
