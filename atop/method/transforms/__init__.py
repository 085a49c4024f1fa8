"""Random transforms t: ([0, 1] pictures, randomness) -> (corrupted views, masks); one file each."""
