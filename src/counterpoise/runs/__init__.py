"""A run on disk: its directory, what it has written, what makes it the run it is. No torch."""
