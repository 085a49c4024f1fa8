"""Files, checkpoints, randomness, statistics, execution: independent of the method."""
