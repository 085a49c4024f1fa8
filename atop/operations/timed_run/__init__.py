"""A machine for a few minutes at a time: what is next, done until they are up, and what travels."""
