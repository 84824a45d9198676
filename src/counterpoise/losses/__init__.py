"""Surrogates; `denominators` is the only place that divides."""
