"""verl on a machine without an accelerator, for the tests alone: loaded in every process by VERL_USE_EXTERNAL_MODULES.

A platform, the names under which verl looks for engines and collectives, and a rollout server that generates with transformers.
Nothing of it is part of the plugin.
"""

import contextlib
import os
import types
from typing import Any

import torch
from verl.plugin.platform.platform_base import PlatformBase
from verl.plugin.platform.platform_manager import PlatformRegistry

_OWN = {
    "mem_get_info": lambda *_: (1 << 30, 1 << 30),
    "get_rng_state": lambda *_: torch.get_rng_state(),
    "set_rng_state": lambda state, *_: torch.set_rng_state(state),
    "get_device_name": lambda *_: "CPU",
    "is_available": lambda *_: True,
}


class _Device(types.ModuleType):
    """`torch.cpu` with the calls that verl makes of `torch.cuda`."""

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:
            return _OWN[name]
        if hasattr(torch.cpu, name):
            return getattr(torch.cpu, name)
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: 0


_DEVICE = _Device("cpu_device")


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):
    device_name = "cpu"
    vendor_name = "cpu"
    device_module = _DEVICE

    def is_available(self):
        return True

    def current_device(self):
        return torch.device("cpu")

    def device_count(self):
        return 1

    def set_device(self, device_index):
        pass

    def synchronize(self, device_index=None):
        pass

    def manual_seed(self, seed):
        torch.manual_seed(seed)

    def manual_seed_all(self, seed):
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings):
        pass

    def empty_cache(self):
        pass

    def get_device_capability(self, device_index=0):
        return None, None

    def communication_backend_name(self):
        return "gloo"

    def visible_devices_envvar(self):
        return "CUDA_VISIBLE_DEVICES"

    @contextlib.contextmanager
    def nvtx_range(self, msg):
        yield

    def profiler_start(self):
        pass

    def profiler_stop(self):
        pass

    def ray_resource_name(self):
        return "GPU"

    def ray_noset_envvars(self):
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def is_ipc_supported(self):
        return False

    def cudart(self):
        return None


os.environ.setdefault("VERL_PLATFORM", "cpu")
os.environ.setdefault("VERL_ENGINE_DEVICE", "cuda")  # the FSDP engine is registered for that name alone


def _patch() -> None:
    from torch.distributed.fsdp import CPUOffloadPolicy
    from verl.utils import distributed

    whole = distributed.initialize_global_process_group_ray

    def one_backend(timeout_second=None, backend=None):
        return whole(timeout_second, backend or "cpu:gloo")  # "cpu:gloo,cpu:gloo" is refused by torch

    distributed.initialize_global_process_group_ray = one_backend
    original = CPUOffloadPolicy.__init__

    def unpinned(self, pin_memory=True):
        original(self, pin_memory=False)

    CPUOffloadPolicy.__init__ = unpinned

    from verl.workers.rollout.base import _ROLLOUT_REGISTRY
    from verl.workers.rollout.replica import RolloutReplicaRegistry

    _ROLLOUT_REGISTRY[("transformers", "async")] = "transformers_rollout.Adapter"

    def load():
        from transformers_rollout import Replica

        return Replica

    RolloutReplicaRegistry.register("transformers", load)


_patch()
