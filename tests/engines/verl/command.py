"""The command that starts verl's own trainer on the CPU, two ranks, and the environment that it needs."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent


def environment():
    paths = [str(HERE / "cpu"), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own | {
        "PYTHONPATH": os.pathsep.join(paths), "VERL_USE_EXTERNAL_MODULES": "verl_on_cpu", "VERL_PLATFORM": "cpu",
        "VERL_ENGINE_DEVICE": "cuda", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_memory_monitor_refresh_ms": "0", "RAY_raylet_start_wait_time_s": "240",
        "RAY_DEDUP_LOGS": "0", "HYDRA_FULL_ERROR": "1", "VERL_FILE_LOGGER_ROOT": "metrics", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TRANSFORMERS_VERBOSITY": "error", "CUDA_VISIBLE_DEVICES": "0,1",
    }  # fmt: skip


def command(folder, *, steps=5, out="out", module="verl.trainer.main_ppo", **settings):
    """`settings` are Hydra's, dots written as double underscores; a leading plus of `counterpoise` settings is added."""
    model, data = folder / "model", folder / "train.parquet"
    given = {
        "algorithm.adv_estimator": "counterpoise",
        "trainer.v1.trainer_mode": "counterpoise",
        "data.train_files": data,
        "data.val_files": data,
        "data.train_batch_size": 8,
        "data.max_prompt_length": 8,
        "data.max_response_length": 8,
        "data.dataloader_num_workers": 0,
        "data.filter_overlong_prompts": False,
        "actor_rollout_ref.model.path": model,
        "+actor_rollout_ref.model.override_config.attn_implementation": "sdpa",
        "actor_rollout_ref.model.use_remove_padding": False,
        "actor_rollout_ref.model.enable_gradient_checkpointing": False,
        "actor_rollout_ref.actor.strategy": "fsdp2",
        "actor_rollout_ref.ref.strategy": "fsdp2",
        "actor_rollout_ref.actor.optim.lr": 1e-3,
        "actor_rollout_ref.actor.loss_agg_mode": "token-sum",
        "actor_rollout_ref.actor.ppo_mini_batch_size": 8,
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": 4,
        "actor_rollout_ref.actor.use_torch_compile": False,
        "actor_rollout_ref.actor.fsdp_config.use_torch_compile": False,
        "+actor_rollout_ref.actor.fsdp_config.mixed_precision": "{param_dtype:fp32,reduce_dtype:fp32,buffer_dtype:fp32}",
        "actor_rollout_ref.actor.fsdp_config.model_dtype": "fp32",
        "actor_rollout_ref.rollout.name": "transformers",
        "actor_rollout_ref.rollout.n": 4,
        "actor_rollout_ref.rollout.tensor_model_parallel_size": 1,
        "actor_rollout_ref.rollout.calculate_log_probs": True,
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": 16,
        "actor_rollout_ref.rollout.agent.num_workers": 1,
        "reward.num_workers": 1,
        "reward.custom_reward_function.path": HERE / "rewards.py",
        "reward.custom_reward_function.name": "compute_score",
        "trainer.v1.sampler.custom_sampler.path": HERE / "cpu" / "quick_buffer.py",
        "trainer.v1.sampler.custom_sampler.name": "QuickBuffer",
        "trainer.n_gpus_per_node": 2,
        "trainer.nnodes": 1,
        "trainer.logger": "[console,file]",
        "trainer.total_training_steps": steps,
        "trainer.total_epochs": 100,
        "trainer.save_freq": -1,
        "trainer.test_freq": -1,
        "trainer.val_before_train": False,
        "trainer.device": "cpu",
        "trainer.project_name": "p",
        "trainer.experiment_name": out,
        "trainer.default_local_dir": folder / out,
        "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
        "+ray_kwargs.ray_init.address": "local",  # a cluster that runs on this machine is somebody else's
        "ray_kwargs.ray_init.num_cpus": 32,
        "+ray_kwargs.ray_init.num_gpus": 2,
        "+ray_kwargs.ray_init.include_dashboard": False,
    }
    given |= {name.replace("__", "."): value for name, value in settings.items()}
    return [sys.executable, "-m", module, *(f"{name}={value}" for name, value in given.items())]
