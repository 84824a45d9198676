"""Guards read a step's metrics and say when a run is going wrong; `supervisor` turns what they say into action."""
