"""From rewards to signed credit: one rule per file, emphasis, and the place where controllers act."""
