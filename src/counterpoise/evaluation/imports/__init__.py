"""Rollouts that other tools wrote, read as draws: one file for each format, `registry` names them."""
