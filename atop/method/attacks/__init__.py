"""Attacks: (target, x, y, randomness) -> x_adv inside the ball and inside [0, 1]; one file each."""
