"""Running it all: cost, runs of limited time, packing."""
