"""Datasets: fetched, verified by the hash of their decoded pixels, and served as tensors.

Nothing is imported here, so that a plan can look for a dataset without the import of torch.
"""
