"""Datasets: fetched, verified by the hash of their decoded pixels, and served as tensors.

A dataset on disk is one `.npz` of uint8 images and labels; every stage reads it through `load`.
"""

from atop.data.dataset import Dataset, Split, load, save

__all__ = ["Dataset", "Split", "load", "save"]
