"""Which rule, controller and settings fit a model and a task, from a few measured rollouts. Runs without torch.

`profile` holds what was measured, `thresholds` every number that decides, `decide` turns the one into advice by the other.
"""
