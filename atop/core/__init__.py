"""What knows nothing of the method: files, checkpoints, randomness, statistics, execution."""
