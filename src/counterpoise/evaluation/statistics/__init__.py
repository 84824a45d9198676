"""From counts of each problem to figures: pass@k with intervals, bands, differences, means over seeds."""
