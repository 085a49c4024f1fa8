"""Purifiers g: (corrupted, mask) -> picture in [0, 1], differentiable; one file or folder each."""
