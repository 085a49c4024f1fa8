"""Execution of networks as a preset sets it, and the fastest on a device where it says `auto`."""
