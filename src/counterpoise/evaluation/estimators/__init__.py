"""What n rollouts of a problem say about it: one estimator in each file, all of them named in `registry.ESTIMATORS`."""
