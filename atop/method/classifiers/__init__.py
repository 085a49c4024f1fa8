"""Classifiers f: (B, 3, H, W) in [0, 1] -> (B, classes) logits, normalisation inside."""
