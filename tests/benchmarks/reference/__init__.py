"""The published way of one fine-tuning step (notebook cifar-miss-gau-adv), for speed and parity.

Written from a description of what the notebooks do; `step.py` lists what that costs in vain.
"""

from reference.step import Published, loader

__all__ = ["Published", "loader"]
