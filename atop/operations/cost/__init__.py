"""What tables cost before they are made, from what this suite's networks take on a device.

Steps (jobs), their work (passes of pictures through networks), rates (seconds and memory of a pass,
measured by calibration), estimates, and what is told of them. It changes no number of any table.
"""
