"""Outcomes of a cell on clean and adversarial images."""
