"""Verifiers that compare an answer with a gold, one a file, and the equality they rest on."""
