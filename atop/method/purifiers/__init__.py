"""Purifiers g: (corrupted, mask) -> image in [0, 1], differentiable; one file or folder each."""
