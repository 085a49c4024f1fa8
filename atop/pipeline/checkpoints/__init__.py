"""Public weights: where they come from, and what is here."""
