"""One page that says everything: all tables of a preset, what they show, and where it comes from.

The page is one file that asks the network for nothing. Plots are Altair's, sorting and filtering
are DataTables' (out of itables); without JavaScript the numbers are still there.
"""
