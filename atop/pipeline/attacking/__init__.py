"""Adversarial sets: made, stored, loaded."""
