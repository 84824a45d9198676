"""An evaluation on disk: rollouts and verdicts, append-only; the golds and the task that go with them; merged and exported."""
