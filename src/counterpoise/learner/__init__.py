"""Batches, forward pass, optimiser step, checkpoints."""
