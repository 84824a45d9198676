"""A rollout of verl that generates on the CPU with transformers: a server for each replica, and the trainers' side of it."""

import asyncio
import os
import time

import ray
import torch
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput


class Adapter(BaseRollout):
    """In each rank of the trainer: takes the weights of all ranks, and gives them to the replica of its own."""

    def __init__(self, config, model_config, device_mesh, replica_rank=-1):
        super().__init__(config, model_config, device_mesh)
        self.rank = int(os.environ["RANK"])

    async def resume(self, tags):
        pass

    async def release(self):
        pass

    async def update_weights(self, weights, wire_format="named_tensors", global_steps=None, **_):
        state = {
            name: tensor.detach().float().cpu().clone() for name, tensor in weights
        }  # a collective: every rank drains it
        await ray.get_actor(f"transformers_server_{self.rank}").load.remote(state, global_steps)


class Server:
    """One model, which answers what has been asked for together in one batch."""

    def __init__(self, path, rank, length):
        from transformers import AutoConfig, AutoModelForCausalLM

        torch.set_num_threads(1)
        self.model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path)).float().eval()
        self.generator = torch.Generator().manual_seed(rank)
        self.length, self.step, self.waiting, self.task = length, 0, [], None

    async def load(self, state, step):
        missing = self.model.load_state_dict(state, strict=False).missing_keys
        assert all("lm_head" in name for name in missing), missing  # tied to the embedding
        self.model.tie_weights()
        self.step = step

    async def generate(self, request_id, *, prompt_ids, sampling_params, **_):
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append((list(prompt_ids), sampling_params, answer))
        if self.task is None:
            self.task = asyncio.create_task(self._batches())
        return await answer

    async def _batches(self):
        await asyncio.sleep(0.05)
        while self.waiting:
            batch, self.waiting = self.waiting, []
            by_length = {}
            for one in batch:
                by_length.setdefault((len(one[0]), one[1].get("temperature", 1.0)), []).append(one)
            for (_, temperature), group in by_length.items():
                for (_, _, answer), output in zip(
                    group, self._sample([one[0] for one in group], temperature), strict=True
                ):
                    answer.set_result(output)
            await asyncio.sleep(0)
        self.task = None

    @torch.no_grad()
    def _sample(self, prompts, temperature):
        end = self.model.config.eos_token_id
        ids, past, outputs = torch.tensor(prompts), None, [([], []) for _ in prompts]
        done = torch.zeros(len(prompts), dtype=torch.bool)
        for _ in range(self.length):
            answer = self.model(input_ids=ids, past_key_values=past, use_cache=True)
            past = answer.past_key_values
            log_probs = (answer.logits[:, -1].float() / (temperature or 1.0)).log_softmax(-1)
            drawn = (
                torch.multinomial(log_probs.exp(), 1, generator=self.generator)
                if temperature
                else log_probs.argmax(-1, True)
            )
            for row, (tokens, logs) in enumerate(outputs):
                if not done[row]:
                    tokens.append(int(drawn[row]))
                    logs.append(float(log_probs[row, drawn[row]]))
            done |= drawn[:, 0] == end
            if bool(done.all()):
                break
            ids = drawn
        return [
            TokenOutput(
                token_ids=tokens,
                log_probs=logs,
                stop_reason="completed",
                num_preempted=0,
                extra_fields={"global_steps": self.step},
            )
            for tokens, logs in outputs
        ]

    async def nothing(self, *_, **__):
        return None

    wake_up = sleep = abort_all_requests = resume_generation = clear_kv_cache = nothing
    release_kv_cache = resume_kv_cache = start_profile = stop_profile = nothing


class Replica(RolloutReplica):
    """One server beside one rank."""

    async def launch_servers(self):
        server = ray.remote(Server).options(
            name=f"transformers_server_{self.replica_rank}", max_concurrency=1000, num_cpus=0
        )
        handle = server.remote(
            self.model_config.path, self.replica_rank + int(time.time_ns() % 2) * 0, self.config.response_length
        )
        self.servers = [handle]
        self._server_handle, self._server_address = handle, f"in-process-{self.replica_rank}"
