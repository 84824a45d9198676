#!/usr/bin/env bash
# NSR with verl's own trainer on one machine with 8 GPUs: `bash examples/verl_nsr.sh [OVERRIDE…]`.
# Data: parquet files of verl's form with `reward_model.ground_truth`. Without `python -m counterpoise.engines.verl`, verl's own
# `python -m verl.trainer.main_ppo` takes the same settings; the former checks them before Ray starts.
set -euo pipefail
python -m counterpoise.engines.verl \
    algorithm.adv_estimator=counterpoise \
    trainer.v1.trainer_mode=counterpoise \
    +algorithm.counterpoise.rule=nsr \
    actor_rollout_ref.actor.loss_agg_mode=token-sum \
    reward.custom_reward_function.path=pkg://counterpoise.engines.verl.rewards \
    reward.custom_reward_function.name=compute_score \
    +reward.custom_reward_function.reward_kwargs.verifier=math \
    data.train_files="${TRAIN:-train.parquet}" \
    data.val_files="${TEST:-test.parquet}" \
    data.train_batch_size=128 \
    data.max_prompt_length=1024 \
    data.max_response_length=3072 \
    actor_rollout_ref.model.path="${MODEL:-Qwen/Qwen2.5-Math-7B}" \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    actor_rollout_ref.actor.ppo_mini_batch_size=32 \
    actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=4 \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.n=8 \
    actor_rollout_ref.rollout.calculate_log_probs=True \
    actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=8 \
    trainer.n_gpus_per_node=8 \
    trainer.save_freq=20 \
    trainer.total_epochs=2 \
    "$@"
