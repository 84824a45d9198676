"""Rollout store, estimators and intervals; runs without torch."""
