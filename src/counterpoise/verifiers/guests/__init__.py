"""Verifiers that run what is not ours: programs with their tests, scorers of reasoning-gym, a language model."""
