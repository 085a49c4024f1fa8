"""Costs of tables before they are made, from the speed of this suite's networks on a device.

The workload of each stage counts images by operation; calibration measures the rate of each
operation (seconds and memory); estimates join both. No number of any table depends on it.
"""
