"""Random transforms t: ([0, 1] images, randomness) -> (corrupted views, masks); one file each."""
