"""Doing it, a part for each stage: datasets, checkpoints, training, attacking, evaluation."""
