"""Drivers that turn steps into a trained policy, each in a package of its own and independent of the others."""
