"""The page of a preset: all tables, charts of their numbers, and the records behind them.

The page is one file and makes no network request. Charts are Altair's; sorting and filtering are
DataTables' (from itables). Without JavaScript all numbers are still there.
"""
