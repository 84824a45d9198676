"""The command line: `commands/`, one a file, and what they share."""
