"""Samplers: from prompts to rollouts."""
