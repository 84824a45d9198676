"""Drivers that compose the stages: the embedded local engine."""
