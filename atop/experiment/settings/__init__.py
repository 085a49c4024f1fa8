"""The config as typed, frozen models: the only source of what a key may be."""
