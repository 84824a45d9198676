"""Where problems come from: one source per file."""
