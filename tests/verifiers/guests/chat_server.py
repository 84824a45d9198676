"""A language model that judges, behind a real HTTP server."""

import importlib.util
import json
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("model_server", Path(__file__).parents[2] / "model_server.py")
assert _SPEC is not None and _SPEC.loader is not None
model_server = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(model_server)


class ChatServer(model_server.ModelServer):
    """`right` says which candidates an honest judge accepts."""

    def __init__(self):
        super().__init__()
        self.right = {"new york city", "nyc"}

    def judged(self, body):
        system, user = (message["content"] for message in body["messages"])
        candidate = json.loads(user)["candidate"].casefold()
        a_means_right = "A if the candidate names the same thing" in system
        return "A" if (candidate in self.right) == a_means_right else "B"

    def honest(self, handler, body):
        self.reply(handler, self.judged(body))

    def answer(self, handler, body):
        mode = self.mode(body, len(self.seen)) if callable(self.mode) else self.mode
        replies = {
            "always_a": "A",
            "chatty": "The answer is A.",
            "empty": "",
            "lower": "a",
            "both": "A B",
            "thinking": f"<think>A or B? B!</think>\n {self.judged(body)}\n",
            "unfinished": "<think>A",
        }
        if mode in replies:
            return self.reply(handler, replies[mode])
        return super().answer(handler, body)

    def reply(self, handler, text):
        self.json(handler, {"choices": [{"message": {"role": "assistant", "content": text}}]})
