"""From verdicts to rewards in a declared range."""
