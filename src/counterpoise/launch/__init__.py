"""What launchers of other engines share: a run file's keys translated by a table, the machine looked at, a run's directory. No torch."""
